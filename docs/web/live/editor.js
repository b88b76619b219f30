// The editor of a cell, loaded when the reader first changes one.
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentLess,
  indentMore,
} from "@codemirror/commands";
import { pythonLanguage } from "@codemirror/lang-python";
import {
  bracketMatching,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { styleTags, tagHighlighter, tags } from "@lezer/highlight";

// A token keeps its colours when the cell is clicked: it has the class that Pygments gave it.
const python = pythonLanguage.configure({
  props: [
    styleTags({
      async: tags.keyword,
      "FormatSpec/... FormatConversion FormatReplacement/{ FormatReplacement/}": tags.string,
      "ImportStatement/.": tags.separator,
    }),
  ],
});
const colors = tagHighlighter([
  { tag: [tags.keyword, tags.bool, tags.null], class: "k" },
  { tag: tags.operatorKeyword, class: "ow" },
  { tag: [tags.operator, tags.punctuation, tags.modifier], class: "o" },
  { tag: [tags.separator, tags.bracket], class: "p" },
  { tag: tags.number, class: "m" },
  { tag: [tags.string, tags.escape], class: "s" },
  { tag: tags.comment, class: "c1" },
  { tag: tags.function(tags.definition(tags.variableName)), class: "nf" },
  { tag: tags.definition(tags.className), class: "nc" },
]);

window.liveEditor = ({ parent, source, label, run, changed }) => {
  const runs = () => {
    run();
    return true; // no other key's work is to be done
  };
  return new EditorView({
    parent,
    state: EditorState.create({
      doc: source,
      extensions: [
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        python,
        indentUnit.of("    "),
        syntaxHighlighting(colors),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label, autocapitalize: "off" }),
        EditorView.updateListener.of(update => update.docChanged && changed()),
        keymap.of([
          { key: "Shift-Enter", run: runs },
          { key: "Mod-Enter", run: runs },
          { key: "Mod-]", run: indentMore },
          { key: "Mod-[", run: indentLess },
          ...closeBracketsKeymap, // Tab is not bound: it leaves the cell
          ...defaultKeymap,
          ...historyKeymap,
        ]),
      ],
    }),
  });
};
