// What both forms are made with: it stands before panel.js and before chooser.js, as one module each.

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

let count = 0; // of names that elements are told apart by

// Return how a message is sent to the kernel, and how it is told that the answer is there; where none comes, the status says so.
function caller(model, status, unheard) {
  let silence;
  const heard = () => clearTimeout(silence);
  const lost = () => {
    status.textContent = "The kernel does not answer: a cell may be running. If it was restarted, run this cell again.";
    unheard?.();
  };
  const send = (message) => {
    heard();
    silence = setTimeout(lost, 5000);
    try {
      model.send(message);
    } catch {
      lost(); // of a kernel that is gone
    }
  };
  return { send, heard };
}

