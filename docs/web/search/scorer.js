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
