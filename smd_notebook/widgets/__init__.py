"""What a researcher clicks: views over the states of `access`, for JupyterLab, Jupyter Notebook, VS Code and hubs."""

__all__: list[str] = []
