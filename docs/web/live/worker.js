// Python in a worker of its own, so that the page stays alive and a cell that never ends can be stopped.
import cell from "./cell.py";

let pyodide;
let space;
let run;

async function start({ python, wheel, digits }) {
  const say = (done, text) => postMessage({ kind: "progress", done, text });
  const get = async url => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.arrayBuffer();
  };
  say(0.05, "Python");
  const { loadPyodide } = await import(`${python}pyodide.mjs`);
  pyodide = await loadPyodide({ indexURL: python });
  const quiet = { messageCallback() {} };
  say(0.45, "NumPy");
  await pyodide.loadPackage("numpy", quiet);
  say(0.55, "Matplotlib");
  await pyodide.loadPackage(["matplotlib", "pillow"], quiet);
  say(0.9, "convdocs");
  pyodide.unpackArchive(await get(wheel), "wheel");
  pyodide.FS.writeFile("/digits.npz", new Uint8Array(await get(digits)));
  const inside = pyodide.toPy({ __name__: "cell" });
  pyodide.runPython(cell, { globals: inside });
  inside.get("_load")("/digits.npz");
  run = inside.get("run");
  space = pyodide.runPython("{'__name__': '__main__'}");
}

async function execute({ id, name, source }) {
  // What a cell imports beyond NumPy and Matplotlib; files("sklearn.datasets") is no import.
  await pyodide.loadPackagesFromImports(source, { messageCallback() {} });
  if (/\bsklearn\b/.test(source))
    await pyodide.loadPackage("scikit-learn", { messageCallback() {} });
  postMessage({ id, kind: "begin" });
  const error = run(source, name, space, (kind, text) => postMessage({ id, kind, text }));
  postMessage({ id, kind: "done", error });
}

let ready;
onmessage = async ({ data }) => {
  try {
    await (ready ??= start(data.from));
    await execute(data);
  } catch (error) {
    postMessage({
      id: data.id,
      kind: run ? "lost" : "unreachable",
      text: String(error.message ?? error),
    });
  }
};
