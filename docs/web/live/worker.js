// Python in a worker of its own, so that the page stays alive and a cell without end can be
// stopped.
import cell from "./cell.py";
import figures from "./page_figures.py";

let pyodide;
let space;
let run;

// What a cell may ask for beside NumPy, by the words in it: of the package, only plots and pictures
// need more. sklearn is no import where find_spec("sklearn") names it.
const WORDS = [
  [/\b(plot|plt|matplotlib|data|PIL)\b/, ["matplotlib", "pillow"]],
  [/\bsklearn\b/, ["scikit-learn"]],
];
const LOST = "Not all that this cell imports could be loaded. Is there a network?";
const needed = source => WORDS.flatMap(([words, names]) => (words.test(source) ? names : []));

// While Python and packages come, what has come is told in shares of all that a cell can need, so
// that a slow network is not taken for one that hangs.
const ALL = 30e6; // bytes, about
const [BEGUN, COME] = [0.05, 0.9]; // the bar's share before and after
let loading = null; // what, or nothing
let bytes = 0;
const say = (done, text) => postMessage({ kind: "progress", done, text });
const share = () => Math.round(100 * (BEGUN + (COME - BEGUN) * Math.min(1, bytes / ALL))) / 100;
const asked = self.fetch;
self.fetch = async (...what) => {
  const answer = await asked(...what);
  if (!loading || !answer.body) return answer;
  const count = new TransformStream({
    transform(part, on) {
      const before = share();
      bytes += part.length;
      if (loading && share() > before) say(share(), loading);
      on.enqueue(part);
    },
  });
  return new Response(answer.body.pipeThrough(count), answer);
};

// Pyodide waits for its machine for ever: it is heard here if that does not come.
function machineLost() {
  const { instantiateStreaming } = WebAssembly;
  return new Promise((_, reject) => {
    WebAssembly.instantiateStreaming = (...asked) => {
      const made = instantiateStreaming(...asked);
      made.catch(reject);
      return made;
    };
  });
}

async function start({ python, wheel, digits, mnist, trained }, source) {
  const get = async url => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.arrayBuffer();
  };
  loading = "Python";
  say(BEGUN, loading);
  const ours = Promise.all([get(wheel), get(digits)]); // while Python comes
  const { loadPyodide } = await import(`${python}pyodide.mjs`);
  const packages = ["numpy", ...needed(source)];
  pyodide = await Promise.race([machineLost(), loadPyodide({ indexURL: python, packages })]);
  if (!pyodide.loadedPackages.numpy) throw new Error("NumPy is missing");
  loading = null;
  say(COME, "convdocs");
  const [archive, images] = await ours;
  pyodide.unpackArchive(archive, "wheel");
  pyodide.FS.writeFile("/digits.npz", new Uint8Array(images));
  const library = pyodide.runPython("import sysconfig; sysconfig.get_path('purelib')");
  pyodide.FS.writeFile(`${library}/page_figures.py`, figures);
  pyodide.runPython("import os; os.environ['MPLBACKEND'] = 'module://page_figures'");
  const inside = pyodide.toPy({ __name__: "cell" });
  pyodide.runPython(cell, { globals: inside });
  inside.get("_load")("/digits.npz", mnist, trained);
  run = inside.get("run");
  space = pyodide.runPython("{'__name__': '__main__'}");
}

async function execute({ name, source, phone }) {
  const lost = new Set(); // Pyodide says so, and goes on
  const told = { messageCallback() {}, errorCallback: text => lost.add(text) };
  loading = "Python";
  await pyodide.loadPackage(needed(source), told);
  await pyodide.loadPackagesFromImports(source, told);
  loading = null;
  postMessage({ kind: "begin" });
  const send = (kind, text) => postMessage({ kind, text });
  if (lost.size) send("note", `${LOST} (${[...lost].join(" ")})`);
  const error = await run(source, name, space, send, phone);
  postMessage({ kind: "done", error });
}

let ready;
addEventListener("message", async ({ data }) => {
  try {
    ready ??= start(data.from, data.source);
    await ready;
    await execute(data);
  } catch (error) {
    const kind = run ? "lost" : "unreachable";
    postMessage({ kind, text: String(error.message ?? error) });
  }
});
