// What one looks at is chosen here; what is chosen, and what may be, comes from the kernel in the trait `view`.

function render({ model, el }) {
  const root = make("section", "smd-panel smd-chooser");
  root.addEventListener("keydown", (event) => event.stopPropagation()); // letters are for this form: to the notebook an M makes it text
  const title = make("h3", "smd-title", "Explore");
  title.id = `smd-explore-${++count}`;
  root.setAttribute("aria-labelledby", title.id);
  const fields = make("div", "smd-fields");
  const views = make("fieldset");
  const status = make("p", "smd-status"); // stays, or what is new in it would not be read out
  status.setAttribute("role", "status");
  const alert = make("div", "smd-problem");
  alert.setAttribute("role", "alert");
  const notes = make("ul", "smd-notes");
  const below = make("div");
  root.append(title, fields, views, status, alert, notes, below);
  el.append(root);

  let turn = model.get("view").turn ?? 0; // of the last message sent; what answers an older one must not undo what was chosen since
  let typing;

  const kernel = caller(model, status, () => root.setAttribute("aria-busy", "false"));
  const send = (what, more) => {
    root.setAttribute("aria-busy", "true");
    kernel.send({ do: what, with: more ?? {}, turn: ++turn });
  };

  // -- the fields --

  const labelled = (text, control) => {
    const one = make("div", "smd-one");
    const label = make("label", "", text);
    control.id = `smd-explore-${++count}`;
    label.htmlFor = control.id;
    one.append(label, control);
    fields.append(one);
    control.box = one;
    return control;
  };

  const select = (name, text) => {
    const control = labelled(text, make("select"));
    control.addEventListener("change", () => send("choose", { [name]: control.value }));
    return control;
  };

  const day = (name, text) => {
    const control = labelled(text, make("input"));
    control.type = "date";
    const chosen = () => {
      clearTimeout(typing);
      const good = control.value && control.checkValidity();
      control.setAttribute("aria-invalid", String(!good));
      if (good) send("choose", { [name]: control.value });
      else status.textContent = `Choose days from ${control.min} to ${control.max}.`;
    };
    control.addEventListener("change", () => {
      clearTimeout(typing);
      typing = setTimeout(chosen, 700); // while a year is typed, each digit makes a date
    });
    control.addEventListener("keydown", (event) => {
      if (event.key === "Enter") chosen();
    });
    return control;
  };

  const controls = {
    meter: select("meter", "Usage point"),
    channel: select("channel", "Channel"),
    period: select("period", "Period"),
    start: day("start", "First day"),
    end: day("end", "Last day"),
    compare: select("compare", "Profile tells apart"),
  };

  const fill = (control, options, value) => {
    const told = JSON.stringify(options);
    if (control.told !== told) {
      control.told = told;
      control.replaceChildren(...options.map(([value, text]) => Object.assign(make("option", "", text), { value })));
    }
    control.value = value;
  };

  const tick = ([name, text, on]) => {
    const label = make("label");
    const box = make("input");
    box.type = "checkbox";
    box.name = name;
    box.checked = on;
    box.addEventListener("change", () => {
      send("choose", { views: [...views.querySelectorAll("input:checked")].map((one) => one.name) });
    });
    label.append(box, text);
    return label;
  };

  // -- the code --

  const row = make("div", "smd-buttons");
  const write = make("button", "smd-button smd-primary", "Write this as a code cell");
  const copy = make("button", "smd-button smd-plain", "Copy the code");
  for (const one of [write, copy]) one.type = "button";
  row.append(write, copy);
  const details = make("details");
  const area = make("textarea");
  area.readOnly = true;
  area.spellcheck = false;
  area.setAttribute("aria-label", "Code that draws what is on the screen");
  details.append(make("summary", "", "The code"), area);
  below.append(row, details);

  const reveal = (text) => {
    details.open = true;
    area.focus();
    area.select();
    status.textContent = text;
  };

  // Put the code into a new cell below this one, where the page is JupyterLab or Notebook; say whether that was possible.
  const insert = (code, shown) => {
    try {
      const book = model.widget_manager?.context?.model;
      for (let at = 0; at < book.cells.length; at++) {
        const outputs = book.cells.get(at).outputs;
        for (let number = 0; number < (outputs?.length ?? 0); number++) {
          const data = outputs.get(number).data["application/vnd.jupyter.widget-view+json"];
          if (data?.model_id !== shown) continue;
          book.sharedModel.insertCell(at + 1, { cell_type: "code", source: code, metadata: { trusted: true } });
          return true;
        }
      }
    } catch {
      // another page, which has no such thing
    }
    return false;
  };

  write.addEventListener("click", () => send("write"));
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(area.value);
      status.textContent = "The code is copied.";
    } catch {
      reveal("The code is selected: press Ctrl+C, or Command+C.");
    }
  });

  const written = (message) => {
    if (message.code === undefined) return;
    kernel.heard();
    root.setAttribute("aria-busy", "false");
    if (insert(message.code, message.shown)) status.textContent = "The code is in a new cell below.";
    else reveal("The code is here: copy it into a cell.");
  };

  // -- the figures: read out, reached by keyboard, and linked --

  const drawn = new WeakSet();
  const moment = (text) => Date.parse(`${text.slice(0, 10)}T${(text.slice(11, 19) || "00:00:00").padEnd(8, ":00")}Z`);
  const iso = (ms) => new Date(ms).toISOString().slice(0, 10);

  const zoomed = (plot, change) => {
    const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (change["xaxis.autorange"]) send("choose", { period: "all" });
    if (typeof from !== "string" || typeof to !== "string") return;
    const half = 43_200_000; // whatever shows more than half of a day shows the day
    const shift = plot.data[0].type === "heatmap" ? half : 0; // a map draws a day around its midnight
    const start = iso(moment(from) + shift + half);
    const end = iso(moment(to) + shift - half);
    if (start !== controls.start.value || end !== controls.end.value) send("choose", { start, end: end < start ? start : end });
  };

  const adopt = () => {
    const home = root.closest(".smd-explore");
    if (!home) return;
    for (const plot of home.querySelectorAll(".js-plotly-plot")) {
      if (drawn.has(plot) || !plot.on) continue;
      drawn.add(plot);
      plot.tabIndex = 0;
      plot.addEventListener("keydown", (event) => event.stopPropagation()); // arrows scroll it, where it is wider than the screen
      plot.setAttribute("role", "figure");
      plot.setAttribute("aria-label", plot.layout?.meta?.alt ?? "Figure");
      if (plot.layout?.xaxis?.type === "date") plot.on("plotly_relayout", (change) => zoomed(plot, change));
    }
  };

  let observer;
  const watch = () => {
    const home = root.closest(".smd-explore");
    if (!home) {
      soon = setTimeout(watch, 100); // not on the page yet
      return;
    }
    observer = new MutationObserver(adopt);
    observer.observe(home, { subtree: true, childList: true });
    adopt();
  };
  let soon = setTimeout(watch, 0);

  // -- what the kernel says --

  const show = () => {
    const view = model.get("view");
    if ((view.turn ?? 0) < turn) return; // an answer to what was chosen since is on its way
    kernel.heard();
    root.setAttribute("aria-busy", String(Boolean(view.busy)));
    status.textContent = view.status ?? "";
    alert.replaceChildren(...(view.problem ?? []).map((line) => make("p", "", line)));
    alert.hidden = !view.problem?.length;
    notes.replaceChildren(...(view.notes ?? []).map((line) => make("li", "", line)));
    notes.hidden = !view.notes?.length;
    for (const part of [fields, views, below]) part.hidden = !view.channels;
    if (!view.channels) return;
    controls.meter.box.hidden = view.meters.length < 2;
    fill(controls.meter, view.meters, view.meter);
    fill(controls.channel, view.channels, view.channel);
    fill(controls.period, view.periods, view.period);
    fill(controls.compare, view.comparisons, view.compare);
    for (const name of ["start", "end"]) {
      Object.assign(controls[name], { min: view.first, max: view.last, value: view[name] });
      controls[name].setAttribute("aria-invalid", "false");
    }
    const told = JSON.stringify(view.views);
    if (views.told !== told) {
      views.told = told;
      const held = views.contains(document.activeElement) ? document.activeElement.name : "";
      views.replaceChildren(make("legend", "", "Show"), ...view.views.map(tick));
      if (held) views.querySelector(`[name=${held}]`)?.focus();
    }
    area.value = view.code;
    area.rows = view.code.split("\n").length;
  };

  model.on("change:view", show);
  model.on("msg:custom", written);
  show();
  return () => {
    kernel.heard();
    for (const one of [typing, soon]) clearTimeout(one);
    observer?.disconnect();
    model.off("change:view", show);
    model.off("msg:custom", written);
  };
}

export default { render };
