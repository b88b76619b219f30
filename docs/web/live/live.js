// Live cells: every cell of a chapter can be changed and run where it stands. Nothing is loaded
// before the first Run; then worker.js runs Python (Pyodide) with the wheel that lies beside it.
import { HERE, keep, recall } from "../page/kept.mjs";

const here = document.currentScript;
const beside = name => new URL(name, here.src).href;
// A browser may have kept the files of another edition under these names.
const VERSION = here.src.match(/\.(\w{8})\.js/)?.[1] ?? "";
const edition = name => `${beside(name)}?${VERSION}`;
const PYTHON = beside(here.dataset.python); // another host's address, or a folder beside this file
const PHONE = matchMedia("(max-width: 34em)"); // docs/_ext/widths.py
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const button = (text, onclick) => make("button", { type: "button", textContent: text, onclick });

// One line at the foot of the window says what is happening, also to those who only listen.
const said = make("span");
const progress = make("progress", { max: 1, hidden: true, ariaLabel: "Loading Python" });
const notice = make("div", { className: "live-notice", role: "status" }, said, progress);
function say(text, done) {
  if (said.textContent !== text) said.textContent = text; // heard once, and seen while it loads
  notice.classList.toggle("seen", done !== undefined);
  progress.hidden = done === undefined; // one that is shown without a value moves for ever
  progress.value = done ?? 0;
}

const JUDGED = /^(Right\.|Not yet: |Write your answer for the dots\.)/gm; // convdocs/book/check.py
const ANEW = "Python starts anew: run the cells above again.";
const ONLY_SERVED = `Python runs only on pages that a server delivers, not from file://.
\`make serve\` serves this book on your own machine; all else here works without it.
`;

// Python: one worker for the page. A cell's run ends when the worker says so, or it is stopped.
const python = {
  worker: null,
  last: null, // the cell that ran last, once Python is there
  running: null,
  queue: [],
  start() {
    this.worker = new Worker(edition("worker.js"), { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = ({ message }) => {
      const text = `${message}\n`; // of a task that a cell has left, and that may be set back
      if (this.last?.element.dataset.live === "built") say(text);
      else if (this.last) this.last.show("error", text);
      else this.end("unreachable", message ?? "worker.js");
    };
  },
  hear({ kind, text, done, error }) {
    if (kind === "progress") {
      const { origin, host } = new URL(PYTHON);
      const ours = text === "convdocs" || origin === location.origin;
      const size = ours ? "" : " (the first time about 30 MB, then from your browser's store)";
      say(`Loading ${text} from ${ours ? "this site" : host}${size}`, done);
    } else if (kind === "begin") {
      if (notice.classList.contains("seen")) say(""); // Python is there
      this.last = this.running;
      this.last.begin();
    } else if (kind === "done") this.end(error);
    else if (kind === "lost" || kind === "unreachable") this.end(kind, text);
    else this.running?.show(kind, text); // what a task prints after its cell has nowhere to go
  },
  // Resolves to the error's name, or nothing.
  ask(cell) {
    const from = {
      python: PYTHON,
      wheel: edition(here.dataset.wheel),
      digits: edition("digits.npz"),
      mnist: edition("mnist.npz"),
      trained: beside("trained/"),
    };
    return new Promise(resolve => {
      this.running = cell;
      this.resolve = resolve;
      const { name, source } = cell;
      try {
        if (!this.worker) this.start();
        this.worker.postMessage({ name, source, from, phone: PHONE.matches });
      } catch (error) {
        this.end("unreachable", error);
      }
    });
  },
  end(error, text) {
    const seen = [this.running, ...this.queue].find(cell => cell && !cell.hidden);
    if (error === "unreachable") {
      const why = "Python could not be loaded. Is there a network?";
      seen?.show("error", `${why} All else on this page works without one.\n(${text})\n`);
    } else if (error === "lost") seen?.show("error", `${text}\nPython was lost. ${ANEW}\n`);
    if (error === "unreachable" || error === "lost") {
      this.drop();
      if (this.running?.hidden && seen) {
        seen.mark(error); // a hidden cell, which ran for it, has no place to say so
        seen.state.textContent = "";
      }
    }
    this.running = null;
    this.resolve?.(error);
  },
  drop() {
    this.worker?.terminate();
    this.worker = null;
    this.last = null;
    this.forget(["not run: Python starts anew"]);
    for (const cell of cells.filter(cell => cell.hidden)) cell.mark("built"); // its names are gone
  },
  // What waits its turn will not have one.
  forget(why, cells = this.queue) {
    for (const cell of this.queue.filter(cell => cells.includes(cell))) {
      cell.mark(cell.was);
      if (!cell.hidden) cell.state.replaceChildren(...why);
    }
    this.queue = this.queue.filter(cell => !cells.includes(cell));
  },
  stop() {
    this.running?.show("text", `\nStopped. ${ANEW}\n`);
    this.drop();
    if (this.running) this.end("stopped");
  },
  // A cell that waits is given up alone, with hidden ones that run for nothing else.
  leave(cell) {
    if (this.running === cell) return this.stop();
    this.forget(["not run"], cell.group);
    if (this.running?.hidden && this.queue.every(each => each.hidden)) this.stop();
  },
  // One after another; what else is asked for meanwhile waits its turn. The cell whose button was
  // pressed says what became of it, if another one ended it.
  async run(cells, asking) {
    if (location.protocol === "file:") {
      asking.clear();
      asking.show("error", ONLY_SERVED);
      return asking.mark("unreachable");
    }
    const waiting = new Set([this.running, ...this.queue]);
    const more = cells.filter(cell => !waiting.has(cell)); // a second click asks for nothing new
    this.queue.push(...more);
    for (const cell of more) cell.wait();
    this.asking = asking;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.queue.length) {
        const cell = this.queue.shift();
        const error = await cell.run();
        if (!error) continue;
        if (this.asking !== cell) this.asking.state.replaceChildren(...cell.ended(error));
        this.forget(["not run: ", ...cell.ended(error)]);
      }
    } finally {
      this.busy = false;
    }
  },
};

const loadEditor = () =>
  new Promise((resolve, reject) => {
    document.head.append(
      make("script", { src: edition("editor.js"), onload: resolve, onerror: reject }),
    );
  });

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
      run: button("Run", () => this.able && python.run([...this.pending, ...this.group], this)),
      above: button("Run all above", () => this.able && python.run(this.before, this)),
      edit: button("Edit", () => this.edit()),
      stop: button("Stop", () => python.leave(this)),
      back: button("Reset", () => this.reset()),
      restart: button("Restart Python", () => this.restart()),
    };
    for (const each of Object.values(this.buttons)) {
      each.setAttribute("aria-label", `${each.textContent}: ${this.name}`);
    }
    this.state = make("span", { className: "live-state" });
    this.training = make("progress", { max: 1, hidden: true, ariaLabel: `Training: ${this.name}` });
    const { run, above, edit, stop, back, restart } = this.buttons;
    run.title = "Shift-Enter";
    back.title = "Back to the code and the output as the book was built";
    this.input.append(
      make(
        "div",
        { className: "live-bar" },
        run,
        above,
        edit,
        back,
        restart,
        stop,
        this.training,
        this.state,
      ),
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
  // Hidden cells above that did not run, for example since a fold above was left out.
  get pending() {
    return this.before.filter(cell => cell.hidden && cell.element.dataset.live !== "done");
  }
  get able() {
    return !["running", "waiting"].includes(this.element.dataset.live);
  }

  wait() {
    this.was = this.element.dataset.live;
    this.mark("waiting");
    if (!this.hidden) this.state.textContent = "waiting for its turn";
  }
  mark(state) {
    this.element.dataset.live = state; // built, waiting, running, done, or what ended it early
    if (this.hidden) return;
    const busy = state === "running";
    const waits = state === "waiting";
    const built = state === "built" || waits;
    this.element.setAttribute("aria-busy", busy);
    const { run, above, stop } = this.buttons;
    for (const each of [run, above]) each.setAttribute("aria-disabled", !this.able); // keeps focus
    const stops = busy || waits;
    if (!stops && document.activeElement === stop) run.focus(); // which Stop would take along
    stop.hidden = !stops;
    this.buttons.restart.hidden = busy || built;
    this.buttons.back.hidden = built && !this.editor;
    this.buttons.edit.hidden = Boolean(this.editor);
  }

  // What the reader wrote before stands here again.
  async restore(source) {
    await this.open();
    this.editor?.dispatch({
      changes: { from: 0, to: this.editor.state.doc.length, insert: source },
    });
    if (this.editor && this.built) this.state.textContent = "changed; the output is the book's";
  }
  async edit(click) {
    await this.open();
    const anchor = click && this.editor?.posAtCoords(click);
    if (anchor) this.editor.dispatch({ selection: { anchor } });
    this.editor?.focus();
  }
  async open() {
    this.input.querySelector("details")?.setAttribute("open", "");
    try {
      if (!window.liveEditor) {
        await loadEditor();
        this.state.textContent = "";
      }
    } catch {
      return this.warn("The editor could not be loaded. Is there a network?");
    }
    if (!this.editor) {
      this.input.classList.add("live-editing");
      const parent = make("div", { className: "live-editor highlight" });
      // Sphinx takes a slash for a wish to search, wherever it is typed but in a field.
      parent.addEventListener("keydown", event => event.key === "/" && event.stopPropagation());
      this.input.insertBefore(parent, this.input.lastChild);
      this.editor = window.liveEditor({
        parent,
        source: this.code,
        label: `Code of ${this.name}`,
        run: () => this.buttons.run.click(),
        changed: () => {
          this.mark(this.element.dataset.live);
          const kept = keepEdit(this, this.changed ? this.source : null);
          if (!kept) this.warn("This browser does not keep what you change");
        },
      });
      this.mark(this.element.dataset.live);
    }
  }

  async run() {
    this.fresh = true; // the first thing shown takes the place of what stood there
    this.begun = null;
    this.notes = new Set();
    this.left = "";
    this.dropped = false;
    this.mark("running");
    if (!this.hidden) this.state.textContent = "running";
    const clock = setInterval(() => this.tell("running for", 0, this.left), 1000);
    const error = await python.ask(this);
    clearInterval(clock);
    this.write();
    if (this.dropped) return error; // it was set back meanwhile
    this.mark(error ?? "done");
    if (this.hidden) return null; // what serves the build does not stop the reader
    if (this.fresh) this.clear();
    this.training.hidden = true;
    this.judge(error);
    for (const text of this.notes) {
      this.output.append(make("p", { className: "live-hint", textContent: text }));
    }
    this.state.textContent = ""; // Python may never have been there
    this.tell(error === "stopped" ? "stopped after" : "ran for", 1);
    say(error ? `${this.name}: ${error}` : `${this.name} ran. ${this.said()}`);
    const unkept = this.output.textContent.includes("run the cells above first"); // check.py
    if ((error === "NameError" || unkept) && this.before.length) {
      const again = () => {
        this.buttons.run.focus(); // the offer goes, and would take the focus along
        python.run([...this.before, ...this.group], this);
      };
      const offer = button("Run them, then this one", again);
      this.output.append(
        make("p", { className: "live-hint" }, "Have the cells above run? ", offer),
      );
    }
    return error;
  }
  // Python is there, and the cell's own time starts.
  begin() {
    this.begun = performance.now();
  }
  tell(what, digits, left = "") {
    if (!this.begun || this.hidden) return;
    const seconds = (performance.now() - this.begun) / 1000;
    this.state.textContent = `${what} ${seconds.toFixed(digits)} s${left}`;
  }
  // What others say of it, who may stand far below.
  ended(error) {
    const link = make("a", { href: `#${this.element.id}`, textContent: this.name });
    const early = { stopped: "was stopped", lost: "lost Python", unreachable: "found no Python" };
    return [link, ` ${early[error] ?? `ended with ${error}`}`];
  }
  warn(text) {
    if (this.state.textContent === text) return; // it is said once
    this.state.textContent = text;
    say(text);
  }
  said() {
    if (this.output.querySelector("img")) return "A new figure.";
    const text = this.output.textContent.trim();
    return text.length < 80 ? text : "It printed several lines.";
  }

  // What a check says of an exercise's answer is seen at once, and kept if it is right.
  judge(error) {
    const exercise = this.element.closest(".exercise");
    const lines = this.output?.textContent.match(JUDGED) ?? [];
    const right = !error && lines.length > 0 && lines.every(line => line === "Right.");
    this.output?.classList.toggle("right", right);
    this.output?.classList.toggle("not-yet", lines.length > 0 && !right);
    if (exercise && right) dispatchEvent(new CustomEvent("solved", { detail: exercise.id }));
  }
  clear() {
    this.fresh = false;
    const output = make("div", { className: "cell_output docutils container" });
    if (this.output) this.output.replaceWith(output);
    else this.element.append(output);
    this.output = output;
  }
  // A training is so far: a share of it, and how long the rest may take.
  train(text) {
    const [done, left] = text.split(/ (.*)/);
    this.training.hidden = Number(done) === 1;
    this.training.value = Number(done);
    this.left = left && `, ${left}`;
    this.tell("running for", 0, this.left);
  }
  show(kind, content) {
    if (this.hidden) return;
    if (kind === "note") return this.notes.add(content);
    if (kind === "training") return this.train(content);
    if (kind === "text") return this.gather(content);
    this.write();
    if (this.fresh ?? true) this.clear();
    if (kind === "svg" || kind === "png") this.picture(kind, content);
    else if (kind === "html") this.output.append(this.framed(content));
    else this.stream(kind).append(content);
  }
  // A thousand lines come as a thousand messages: they are written together, once a frame.
  gather(text) {
    if (!this.gathered) requestAnimationFrame(() => this.write());
    this.gathered = (this.gathered ?? "") + text;
  }
  write() {
    const text = this.gathered;
    this.gathered = "";
    if (!text || this.dropped) return;
    if (this.fresh ?? true) this.clear();
    this.stream("text").append(text);
  }
  // What is printed goes on where it stopped, unless something else came between.
  stream(kind) {
    const last = this.output.lastElementChild;
    if (last?.matches(`.live-${kind}`)) return last.querySelector("pre");
    const pre = make("pre", { tabIndex: 0 }); // a box that scrolls, once it is long
    const className = `output stream highlight-myst-ansi notranslate live-${kind}`;
    const highlight = make("div", { className: "highlight" }, pre);
    this.output.append(make("div", { className }, highlight));
    return pre;
  }
  // What is no picture has the caption of the build, too, as long as the cell is the build's.
  framed(content) {
    const shown = make("div", { className: "output text_html", innerHTML: content });
    const caption = this.built?.querySelector("figure > .text_html ~ figcaption");
    if (!caption || this.changed || this.output.querySelector("figure")) return shown;
    const frame = caption.parentElement.cloneNode();
    frame.append(shown, caption.cloneNode(true));
    return frame;
  }
  picture(kind, content) {
    const svg = kind === "svg";
    const bytes = svg ? content : Uint8Array.from(atob(content), letter => letter.charCodeAt());
    const type = svg ? "image/svg+xml" : "image/png";
    const src = URL.createObjectURL(new Blob([bytes], { type }));
    const before = this.output.querySelector("img");
    const old = before ? null : this.built?.querySelector("figure img")?.closest("figure");
    const frame = old ? old.cloneNode(true) : make("img"); // the book's is for the first picture
    const image = old ? frame.querySelector("img") : frame;
    frame.querySelector("source")?.remove(); // what the build drew for a phone
    if (this.changed) frame.querySelector("figcaption")?.remove();
    const changed = `What the changed cell draws. As built: ${image.alt || "no figure"}`;
    const alt = this.changed || !image.alt ? changed : image.alt;
    Object.assign(image, { src, alt: before ? "Another figure of the cell." : alt });
    image.removeAttribute("width");
    image.removeAttribute("height");
    this.output.append(frame);
    this.answers(image, svg ? content : "");
  }
  // A plot whose numbers answer brings their answers along (figures/sums.js).
  answers(image, svg) {
    const stage = image.closest(".stage"); // a copy, which listens to nobody
    const before = stage?.nextElementSibling;
    if (!before) return;
    stage.replaceWith(image); // and not the picture around it, whose source is the build's
    before.remove();
    const drawn = new DOMParser().parseFromString(svg, "image/svg+xml");
    const answers = drawn.querySelector("metadata")?.textContent;
    if (!answers) return;
    const longest = JSON.parse(answers).reduce((a, [, b]) => (a.length > b.length ? a : b), "");
    const said = make("p", { className: "sum", role: "status" });
    Object.assign(said.dataset, { answers, longest });
    image.after(said);
  }
  restart() {
    python.stop();
    this.state.textContent = "Python starts anew: all names are gone";
    say(this.state.textContent);
  }
  reset() {
    const ended = python.running === this;
    if (ended) {
      this.dropped = true;
      python.stop();
      this.training.hidden = true;
      say(ANEW);
    } else if (this.element.dataset.live === "waiting") python.forget([], this.group);
    keepEdit(this, null);
    this.editor?.dom.parentElement.remove();
    this.editor = null;
    this.input.classList.remove("live-editing");
    if (this.built) this.output.replaceWith(this.built);
    else this.output?.remove();
    this.output = this.built;
    this.state.textContent = ended ? ANEW : "";
    this.mark("built");
    this.buttons.run.focus();
  }
}

// What a reader changes is kept in this browser, as long as the page has the same cell.
function keepEdit(cell, source) {
  const { [HERE]: here, ...elsewhere } = recall("edits");
  const { [cell.element.id]: before, ...others } = here ?? {};
  const edits =
    source === null ? others : { ...others, [cell.element.id]: { built: cell.code, source } };
  return keep("edits", Object.keys(edits).length ? { ...elsewhere, [HERE]: edits } : elsewhere);
}
async function restoreEdits() {
  const edits = recall("edits")[HERE] ?? {};
  for (const cell of shown) {
    const edit = edits[cell.element.id];
    if (edit?.built === cell.code) await cell.restore(edit.source);
  }
}

let number = 0;
const cells = [...document.querySelectorAll(".cell[id^=cell-]")].map(element => new Cell(element));
const shown = cells.filter(cell => !cell.hidden);
// A hidden cell runs with the one that stands before it.
shown.forEach((cell, place) => {
  const start = place && cells.indexOf(cell);
  const end = cells.indexOf(shown[place + 1]);
  cell.group = cells.slice(start, end < 0 ? cells.length : end);
  cell.before = cells.slice(0, start);
  cell.buttons.above.hidden = place === 0;
});
document.body.append(notice);
restoreEdits();
