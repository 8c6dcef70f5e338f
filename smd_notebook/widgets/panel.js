// One status, one thing to do next. Everything shown comes from the trait `view`; what is typed and the link's address are messages only.

function render({ model, el }) {
  const root = make("section", "smd-panel");
  root.addEventListener("keydown", (event) => event.stopPropagation()); // Enter and letters are for this form, not for the notebook
  const title = make("h3", "smd-title");
  title.id = `smd-title-${++count}`;
  root.setAttribute("aria-labelledby", title.id);
  const status = make("p", "smd-status"); // stays, or what is new in it would not be read out
  status.setAttribute("role", "status");
  status.setAttribute("aria-live", "polite");
  status.tabIndex = -1;
  const alert = make("div", "smd-problem");
  alert.setAttribute("role", "alert");
  const rest = make("div", "smd-rest");
  root.append(title, status, alert, rest);
  el.append(root);

  let link = null;
  let follow = false; // whether the focus goes to the link once it leads somewhere
  const { send, heard } = caller(model, status);

  const tell = (name, text) => {
    if (root.getAttribute("aria-busy") === "true") return;
    for (const one of rest.querySelectorAll("button")) one.setAttribute("aria-disabled", "true"); // `disabled` would lose the focus
    root.setAttribute("aria-busy", "true");
    send({ do: name, text: text ?? "" });
  };

  const button = ({ name, text, kind }) => {
    const made = make("button", `smd-button smd-${kind}`, text);
    made.type = "button";
    made.addEventListener("click", () => tell(name));
    return made;
  };

  const steps = (rows) => {
    const list = make("ol", "smd-steps");
    list.setAttribute("role", "list"); // Safari takes one without numbers for none
    for (const { mark, text, note, state } of rows) {
      const row = make("li");
      row.dataset.state = state;
      if (state === "now") row.setAttribute("aria-current", "step");
      const sign = make("span", "smd-mark", mark);
      sign.setAttribute("aria-hidden", "true"); // the note says it in words
      row.append(sign, make("span", "", text), " ", make("span", "smd-when", note));
      list.append(row);
    }
    return list;
  };

  const opener = ({ text, note }) => {
    link = make("a", "smd-button smd-primary", text);
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.append(make("span", "smd-hidden", " (opens in a new tab)"));
    send({ do: "link" });
    const line = make("p", "smd-note", note);
    const both = make("div");
    both.append(link, line);
    return both;
  };

  const field = ({ name, label, text }) => {
    const form = make("form", "smd-field");
    const words = make("label", "", label);
    const input = make("input");
    input.type = "password";
    input.autocomplete = "one-time-code"; // "off" does not keep browsers from offering to save what is typed
    input.spellcheck = false;
    input.id = `smd-field-${++count}`;
    words.htmlFor = input.id;
    const go = make("button", "smd-button", text);
    form.append(words, input, go);
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Enter") return;
      event.preventDefault(); // notebooks take the Enter that would send a form
      form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = input.value;
      input.value = "";
      if (typed.trim()) tell(name, typed);
      else input.focus();
    });
    return form;
  };

  const show = () => {
    heard();
    const view = model.get("view");
    const held = root.contains(document.activeElement);
    title.textContent = view.title ?? "";
    root.dataset.state = view.state ?? "";
    root.setAttribute("aria-busy", String(Boolean(view.busy)));
    if (status.textContent !== view.status) status.textContent = view.status ?? "";
    alert.replaceChildren(...(view.problem ?? []).map((line) => make("p", "", line)));
    alert.hidden = !view.problem?.length;
    link = null;
    const parts = view.steps?.length ? [steps(view.steps)] : [];
    if (view.lines?.length) {
      const list = make("ul");
      list.append(...view.lines.map((line) => make("li", "", line)));
      parts.push(list);
    }
    if (view.code) parts.push(make("p", "", view.lead), make("pre", "smd-code", view.code));
    if (view.link) parts.push(opener(view.link));
    if (view.field) parts.push(field(view.field));
    if (view.buttons?.length) {
      const row = make("div", "smd-buttons");
      row.append(...view.buttons.map(button));
      parts.push(row);
    }
    rest.replaceChildren(...parts);
    if (!rest.querySelector(".smd-primary")) rest.querySelector(".smd-field button")?.classList.add("smd-primary");
    // who works by keyboard goes on where the next thing is to be done
    if (held && (!root.contains(document.activeElement) || document.activeElement === status)) {
      follow = Boolean(link);
      (link ? status : (rest.querySelector("input, .smd-primary, button") ?? status)).focus();
    }
  };

  const address = (message) => {
    heard();
    if (!message.link || !link) return;
    if (status.textContent !== model.get("view").status) status.textContent = model.get("view").status;
    link.href = message.link;
    if (follow && document.activeElement === status) link.focus();
    follow = false;
  };

  model.on("change:view", show);
  model.on("msg:custom", address);
  show();
  return () => {
    heard();
    model.off("change:view", show);
    model.off("msg:custom", address);
  };
}

export default { render };
