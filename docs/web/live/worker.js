// Python in a worker of its own, so that the page stays alive and a cell without end can be
// stopped.
import cell from "./cell.py";
import figures from "./page_figures.py";

const quiet = { messageCallback() {} };
let pyodide;
let space;
let run;

async function start({ python, wheel, digits, mnist, trained }) {
  const say = (done, text) => postMessage({ kind: "progress", done, text });
  const get = async url => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.arrayBuffer();
  };
  say(0.05, "Python");
  const { loadPyodide } = await import(`${python}pyodide.mjs`);
  pyodide = await loadPyodide({ indexURL: python });
  say(0.45, "NumPy");
  await pyodide.loadPackage("numpy", quiet);
  say(0.55, "Matplotlib");
  await pyodide.loadPackage(["matplotlib", "pillow"], quiet);
  say(0.9, "convdocs");
  pyodide.unpackArchive(await get(wheel), "wheel");
  pyodide.FS.writeFile("/digits.npz", new Uint8Array(await get(digits)));
  const packages = pyodide.runPython("import sysconfig; sysconfig.get_path('purelib')");
  pyodide.FS.writeFile(`${packages}/page_figures.py`, figures);
  pyodide.runPython("import os; os.environ['MPLBACKEND'] = 'module://page_figures'");
  const inside = pyodide.toPy({ __name__: "cell" });
  pyodide.runPython(cell, { globals: inside });
  inside.get("_load")("/digits.npz", mnist, trained);
  run = inside.get("run");
  space = pyodide.runPython("{'__name__': '__main__'}");
}

async function execute({ id, name, source }) {
  await pyodide.loadPackagesFromImports(source, quiet); // beyond NumPy and Matplotlib
  // importlib.resources.files("sklearn.datasets") needs the package, too, and is no import of it.
  if (/\bsklearn\b/.test(source)) await pyodide.loadPackage("scikit-learn", quiet);
  postMessage({ id, kind: "begin" });
  const error = await run(source, name, space, (kind, text) => postMessage({ id, kind, text }));
  postMessage({ id, kind: "done", error });
}

let ready;
addEventListener("message", async ({ data }) => {
  try {
    ready ??= start(data.from);
    await ready;
    await execute(data);
  } catch (error) {
    const kind = run ? "lost" : "unreachable";
    postMessage({ id: data.id, kind, text: String(error.message ?? error) });
  }
});
