// The log of a step, as it grows.

import { element } from './dom.js';

/** What the page keeps of a log; the whole of it can be saved. */
const CHARACTERS_MAX = 1_000_000;
// Colours and cursor movements of terminals.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

export class LogView {
  constructor() {
    this.text = element('pre', { class: 'log', tabindex: 0, 'aria-label': 'Log' });
    this.note = element('p', { class: 'quiet' });
    this.node = element('div', {}, this.note, this.text);
  }

  /** Shows the log that `open` asks for, until it ends or is aborted. */
  async show(open) {
    this.text.replaceChildren();
    this.note.textContent = 'Waiting for the log …';
    this.length = 0;
    this.rest = '';
    const response = await open();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    this.note.textContent = 'Following …';
    for (;;) {
      const { done, value } = await reader.read();
      this.add(done ? decoder.decode() : decoder.decode(value, { stream: true }), done);
      if (done) break;
    }
    this.note.textContent = this.isCut ? this.note.textContent : 'The log has ended.';
    if (this.length === 0) this.note.textContent = 'The log is empty.';
  }

  add(piece, isLast) {
    // A sequence that is cut in two is put together again with what follows.
    let text = this.rest + piece;
    this.rest = '';
    const cut = text.lastIndexOf('\u001b');
    if (!isLast && cut >= 0 && text.length - cut < 64 && !text.slice(cut).match(ESCAPES)) {
      this.rest = text.slice(cut);
      text = text.slice(0, cut);
    }
    text = text.replace(ESCAPES, '').replace(/\r\n/g, '\n').replace(/\r/g, '\n');
    if (!text) return;
    const pane = this.text;
    const isAtEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40;
    pane.append(text);
    this.length += text.length;
    while (this.length > CHARACTERS_MAX && pane.childNodes.length > 1) {
      this.length -= pane.firstChild.length;
      pane.firstChild.remove();
      this.isCut = true;
      this.note.textContent = 'The beginning of this long log is not shown; “Save the log” has all of it.';
    }
    if (isAtEnd) pane.scrollTop = pane.scrollHeight;
  }
}
