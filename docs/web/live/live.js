// Live cells: every cell of a chapter can be changed and run where it stands. Nothing is loaded
// before the first Run; then worker.js runs Python (Pyodide) with the wheel that lies beside this file.
const here = document.currentScript;
const beside = name => new URL(name, here.src).href;
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const button = (text, onclick) => make("button", { type: "button", textContent: text, onclick });

// One line at the foot of the window says what is happening, also to those who only listen.
const said = make("span");
const progress = make("progress", { max: 1, ariaLabel: "Loading Python" });
const notice = make("div", { className: "live-notice", role: "status" }, said, progress);
function say(text, done) {
  said.textContent = text;
  notice.classList.toggle("seen", done !== undefined); // seen while something is loading, heard always
  progress.value = done ?? 0;
}

// Python: one worker for the page. A cell's run ends when the worker says so, or when it is stopped.
const python = {
  worker: null,
  running: null,
  queue: [],
  start() {
    this.worker = new Worker(beside("worker.js"), { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = event => this.end("unreachable", event.message);
  },
  hear({ kind, text, done, error }) {
    if (kind === "progress") {
      const host = new URL(here.dataset.python).host;
      say(
        `Loading ${text} from ${host} (the first time about 30 MB, then from your browser's store)`,
        done,
      );
    } else if (kind === "begin") this.running.begin();
    else if (kind === "done") this.end(error);
    else if (kind === "lost" || kind === "unreachable") this.end(kind, text);
    else this.running.show(kind, text);
  },
  ask(cell) {
    // returns the error's name, or nothing
    if (!this.worker) this.start();
    const from = {
      python: here.dataset.python,
      wheel: beside(here.dataset.wheel),
      digits: beside("digits.npz"),
    };
    return new Promise(resolve => {
      this.running = cell;
      this.resolve = resolve;
      this.worker.postMessage({ id: cell.name, name: cell.name, source: cell.source, from });
    });
  },
  end(error, text) {
    const seen = [this.running, ...this.queue].find(cell => !cell.hidden);
    if (error === "unreachable") {
      this.drop();
      const why =
        "Python could not be loaded. Is there a network? Everything else on this page works without one.";
      seen?.show("error", `${why}\n(${text})\n`);
    } else if (error === "lost") {
      seen?.show("error", `${text}\nPython was lost and starts anew: run the cells above again.\n`);
      this.drop();
    }
    this.resolve?.(error);
  },
  drop() {
    this.worker?.terminate();
    this.worker = null;
    this.queue = [];
  },
  async run(cells) {
    // one after another; what else is asked for meanwhile waits its turn
    if (location.protocol === "file:") {
      const cell = cells.findLast(cell => !cell.hidden);
      cell.clear();
      cell.show(
        "error",
        "Python runs only on pages that a server delivers, not from file://.\n" +
          "`make serve` serves this book on your own machine; all else here works without it.\n",
      );
      return cell.mark("unreachable");
    }
    this.queue.push(...cells);
    if (this.busy) return;
    this.busy = true;
    for (let cell; (cell = this.queue.shift()); ) if (await cell.run()) this.queue = [];
    this.busy = false;
  },
};

class Cell {
  constructor(element) {
    this.element = element;
    this.hidden = element.matches("script"); // it gives the text its numbers, and shows nothing
    this.name = this.hidden ? "a hidden cell" : `cell ${++number}`;
    this.code = (this.hidden ? element : element.querySelector("pre")).textContent.trimEnd();
    if (this.hidden) return;
    this.input = element.querySelector(".cell_input");
    this.built = element.querySelector(".cell_output");
    this.output = this.built;
    this.buttons = {
      run: button("Run", () => python.run(this.group)),
      above: button("Run all above", () => python.run(this.before)),
      edit: button("Edit", () => this.edit()),
      stop: button("Stop", () => this.stop()),
      back: button("Reset", () => this.reset()),
      restart: button("Restart Python", () => this.restart()),
    };
    for (const each of Object.values(this.buttons))
      each.setAttribute("aria-label", `${each.textContent}: ${this.name}`);
    this.state = make("span", { className: "live-state" });
    const { run, above, edit, stop, back, restart } = this.buttons;
    run.title = "Shift-Enter";
    back.title = "Back to the code and the output as the book was built";
    this.input.append(
      make("div", { className: "live-bar" }, run, above, edit, back, restart, stop, this.state),
    );
    this.input.querySelector(".highlight").addEventListener("click", event => {
      if (event.target.closest("pre") && !String(getSelection())) this.edit(event);
    });
    this.input.addEventListener("keydown", event => {
      if (event.shiftKey && event.key === "Enter" && !event.defaultPrevented) {
        event.preventDefault();
        run.click();
      }
    });
    this.mark("built");
  }
  get source() {
    return this.editor ? this.editor.state.doc.toString() : this.code;
  }
  get changed() {
    return this.source !== this.code;
  }

  mark(state) {
    this.element.dataset.live = state; // built, waiting, running, done or an error's name
    if (this.hidden) return;
    const busy = state === "running";
    const built = state === "built";
    this.element.setAttribute("aria-busy", busy);
    this.buttons.stop.hidden = !busy;
    this.buttons.restart.hidden = busy || built;
    this.buttons.back.hidden = built && !this.editor;
    this.buttons.edit.hidden = Boolean(this.editor);
  }

  async edit(click) {
    await (window.liveEditor ??
      (Cell.loading ??= new Promise((resolve, reject) =>
        document.head.append(
          make("script", { src: beside("editor.js"), onload: resolve, onerror: reject }),
        ),
      )));
    if (!this.editor) {
      this.input.classList.add("live-editing");
      const parent = this.input.insertBefore(
        make("div", { className: "live-editor" }),
        this.input.lastChild,
      );
      this.editor = window.liveEditor({
        parent,
        source: this.code,
        label: `Code of ${this.name}`,
        run: () => this.buttons.run.click(),
        changed: () => this.mark(this.element.dataset.live),
      });
      this.mark(this.element.dataset.live);
    }
    const anchor = click && this.editor.posAtCoords(click);
    if (anchor) this.editor.dispatch({ selection: { anchor } });
    this.editor.focus();
  }

  async run() {
    this.fresh = true; // the first thing shown takes the place of what stood there
    this.begun = null;
    this.mark("running");
    const clock = setInterval(() => this.tell("running for", 0), 1000);
    const error = await python.ask(this);
    clearInterval(clock);
    this.mark(error ?? "done");
    if (this.hidden) return null; // what serves the build does not stop the reader
    if (this.fresh) this.clear();
    this.tell(error === "stopped" ? "stopped after" : "ran for", 1);
    say(error ? `${this.name}: ${error}` : `${this.name} ran. ${this.said()}`);
    if (error === "NameError") {
      const again = () => python.run([...this.before, ...this.group]);
      this.output.append(
        make(
          "p",
          { className: "live-hint" },
          "Have the cells above run? ",
          button("Run them, then this one", again),
        ),
      );
    }
    return error;
  }
  begin() {
    this.begun = performance.now();
  } // Python is there, and the cell's own time starts
  tell(what, digits) {
    if (this.begun && !this.hidden)
      this.state.textContent = `${what} ${((performance.now() - this.begun) / 1000).toFixed(digits)} s`;
  }
  said() {
    const text = this.output.textContent.trim();
    return this.output.querySelector("img")
      ? "A new figure."
      : text.length < 80
        ? text
        : "It printed several lines.";
  }
  stop() {
    python.drop();
    this.show("text", "\nStopped. Python starts anew: run the cells above again.\n");
    python.end("stopped");
  }

  clear() {
    this.fresh = false;
    const output = make("div", { className: "cell_output docutils container" });
    if (this.output) this.output.replaceWith(output);
    else this.element.append(output);
    this.output = output;
  }
  show(kind, content) {
    if (this.hidden) return;
    if (this.fresh ?? true) this.clear();
    if (kind === "svg" || kind === "png") this.picture(kind, content);
    else if (kind === "html")
      this.output.append(make("div", { className: "output text_html", innerHTML: content }));
    else {
      let pre =
        this.output.lastElementChild?.matches(`.live-${kind}`) &&
        this.output.lastElementChild.querySelector("pre");
      if (!pre) {
        pre = make("pre");
        const look = `output stream highlight-myst-ansi notranslate live-${kind}`;
        this.output.append(
          make("div", { className: look }, make("div", { className: "highlight" }, pre)),
        );
      }
      pre.append(content);
    }
  }
  picture(kind, content) {
    const bytes =
      kind === "svg" ? content : Uint8Array.from(atob(content), letter => letter.charCodeAt());
    const src = URL.createObjectURL(
      new Blob([bytes], { type: kind === "svg" ? "image/svg+xml" : "image/png" }),
    );
    const old = this.built?.querySelector("figure, img");
    const frame = old ? old.cloneNode(true) : make("img");
    const image = frame.matches("img") ? frame : frame.querySelector("img");
    const text =
      this.changed || !image.alt
        ? `What the changed cell draws. As built: ${image.alt || "no figure"}`
        : image.alt;
    Object.assign(image, { src, alt: text });
    image.removeAttribute("width");
    image.removeAttribute("height");
    this.output.append(frame);
  }
  restart() {
    python.drop();
    this.state.textContent = "Python starts anew: all names are gone";
    say(this.state.textContent);
  }
  reset() {
    this.editor?.dom.parentElement.remove();
    this.editor = null;
    this.input.classList.remove("live-editing");
    if (this.built) this.output.replaceWith(this.built);
    else this.output?.remove();
    this.output = this.built;
    this.state.textContent = "";
    this.mark("built");
    this.buttons.run.focus();
  }
}

let number = 0;
const cells = [...document.querySelectorAll("[id^=cell-]")].map(element => new Cell(element));
const shown = cells.filter(cell => !cell.hidden);
shown.forEach((cell, place) => {
  // a hidden cell runs with the one that stands before it
  const [start, end] = [place && cells.indexOf(cell), cells.indexOf(shown[place + 1])];
  cell.group = cells.slice(start, end < 0 ? cells.length : end);
  cell.before = cells.slice(0, start);
  cell.buttons.above.hidden = place === 0;
});
document.body.append(notice);
