// Search: where a word is explained comes first, and the chapters before what only lists words.
const LISTS = /^(glossary|bibliography|notation|formulas|about|index|api\/)/;
const STORIES = /^(history|architectures)$/;

// biome-ignore lint/correctness/noUnusedVariables: Sphinx's own script reads it, and is a var, too
var Scorer = {
  score: ([page, , , , score]) => score * (LISTS.test(page) ? 0.3 : 1) - STORIES.test(page),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

// A result shows text of its page, in which a formula stands three times: for the eye, for screen
// readers and as TeX. Once is enough, and nobody looks for how long a chapter takes.
const LEFT_OUT = /<span class="katex-mathml">.*?<\/math><\/span>|<p class="minutes">.*?<\/p>/gs;
const textOf = Search.htmlToText;
Search.htmlToText = (page, anchor) => textOf(page.replaceAll(LEFT_OUT, ""), anchor);
