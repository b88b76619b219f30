// What every page needs beside its text, an idea a file.
import "katex/contrib/copy-tex"; // whoever copies a formula gets its TeX
import "./boxes.mjs";
import "./contents.mjs";
import "./folds.mjs";
import "./pictures.mjs";
import "./previews.mjs";
import "./progress.mjs";
import "./sidebar.mjs";
import "./veil.mjs";
