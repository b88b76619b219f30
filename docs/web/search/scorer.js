// Search: where a word is explained comes first, and the chapters before what only lists words.
const LISTS = /^(glossary|bibliography|notation|formulas|about|index)$|^api\//;
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

// A size is one word, as in docs/_ext/searched.py. Sphinx finds an entry of the index only as it is
// written there, so here "maxpool" and "max-pooling" become "max pooling", 3x3 becomes 3 × 3, and
// "what is a kernel?" becomes "kernel".
const SIZE = /(\d)\s*[x×*]\s*(?=\d)/gi;
const sized = text => text.replaceAll(SIZE, "$1x");
const stemmer = new Stemmer();
const wordsOf = text => splitQuery(sized(text).toLowerCase().replaceAll("_", " "));
const bare = words => words.map(word => stemmer.stemWord(word)).join("");
const telling = words => words.filter(word => !stopwords.has(word));
const parsed = Search._parseQuery;
Search._parseQuery = query => {
  const [, ...words] = parsed(sized(query));
  const asked = query.toLowerCase().trim();
  const entries = Object.keys(Search._index.indexentries);
  const alike = (entry, some) => bare(some(wordsOf(entry))) === bare(some(wordsOf(asked)));
  const found =
    entries.find(entry => entry === asked) ??
    entries.find(entry => alike(entry, all => all)) ??
    (telling(wordsOf(asked)).length ? entries.find(entry => alike(entry, telling)) : null);
  return [found ?? query, ...words];
};

// A result shows text of its page, in which a formula stands three times: for the eye, for screen
// readers and as TeX. Once is enough, and nobody looks for how long a chapter takes.
const LEFT_OUT = /<span class="katex-mathml">.*?<\/math><\/span>|<p class="minutes">.*?<\/p>/gs;
const textOf = Search.htmlToText;
Search.htmlToText = (page, anchor) => textOf(page.replaceAll(LEFT_OUT, ""), anchor);
