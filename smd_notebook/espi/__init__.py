"""The format: bytes to columns and back (NAESB REQ.21 ESPI, "Green Button"). No pandas, no network."""
