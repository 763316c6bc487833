//! Reading a template.

use super::{Function, Piece, TemplateError};

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once(OPEN) {
        let (before, inside) = match inside.strip_prefix('-') {
            // A minus that is the sign of something stands without a space.
            Some(trimmed) if trimmed.starts_with(is_space) => {
                (before.trim_end_matches(is_space), trimmed)
            }
            _ => (before, inside),
        };
        push_text(&mut pieces, before);
        let mut words = Words { rest: inside };
        let call = call(&mut words)?;
        pieces.extend(call);
        rest = words.rest;
    }
    push_text(&mut pieces, rest);
    Ok(pieces)
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Everything up to the closing braces. A comment gives nothing.
fn call(words: &mut Words<'_>) -> Result<Option<Piece>, TemplateError> {
    if words.comment()? {
        return match words.next()? {
            Word::End => Ok(None),
            _ => Err(wrong("something stands behind a comment")),
        };
    }
    let first = words.next()?;
    if let Word::End = first {
        return Err(wrong("there is nothing between the braces"));
    }
    let mut arguments = Vec::new();
    loop {
        match words.next()? {
            Word::End => break,
            Word::Text(text) => arguments.push(text),
            Word::Name(name) => {
                let message = format!("{name:?} stands where a string or {CLOSE:?} is expected");
                return Err(TemplateError(message));
            }
        }
    }
    match first {
        Word::Text(text) if arguments.is_empty() => Ok(Some(Piece::Text(text))),
        Word::Text(_) | Word::End => Err(wrong("a string is no function")),
        Word::Name(name) => function(name, arguments).map(|function| Some(Piece::Call(function))),
    }
}

fn function(name: &str, arguments: Vec<String>) -> Result<Function, TemplateError> {
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let one = |make: fn(String) -> Function, argument: Option<String>| match (count, argument) {
        (1, Some(argument)) => Ok(make(argument)),
        _ => Err(TemplateError(format!(
            "{name} takes one argument, not {count}"
        ))),
    };
    let none = |function| match count {
        0 => Ok(function),
        _ => Err(TemplateError(format!("{name} takes no argument"))),
    };
    match name {
        "md5sum" => one(Function::Md5Sum, arguments.next()),
        "sha256sum" => one(Function::Sha256Sum, arguments.next()),
        "env" => one(Function::Env, arguments.next()),
        "os" => none(Function::Os),
        "arch" => none(Function::Arch),
        "year" => none(Function::Year),
        "month" => none(Function::Month),
        "day" => none(Function::Day),
        "unixtime" => none(Function::UnixTime),
        _ => Err(TemplateError(format!(
            "there is no function {name:?}; there are md5sum, sha256sum, env, os, arch, year, month, day and unixtime"
        ))),
    }
}

enum Word<'a> {
    Name(&'a str),
    Text(String),
    /// The closing braces, which are behind this.
    End,
}

/// What stands between braces, word by word.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<Word<'a>, TemplateError> {
        let before = self.rest;
        let text = before.trim_start_matches(is_space);
        if let Some(rest) = text.strip_prefix(CLOSE) {
            self.rest = rest;
            return Ok(Word::End);
        }
        let trimmed = text
            .strip_prefix('-')
            .and_then(|text| text.strip_prefix(CLOSE));
        if let Some(rest) = trimmed.filter(|_| text.len() < before.len()) {
            self.rest = rest.trim_start_matches(is_space);
            return Ok(Word::End);
        }
        match text.chars().next() {
            None => Err(wrong("the closing braces are missing")),
            Some('"') => self.quoted(&text[1..]),
            Some('`') => {
                let end = text[1..].split_once('`');
                let (raw, rest) = end.ok_or_else(|| wrong("a string does not end"))?;
                self.rest = rest;
                Ok(Word::Text(raw.to_owned()))
            }
            Some(first) => {
                let is_part = |character: char| character.is_alphanumeric() || character == '_';
                let end = text
                    .find(|character| !is_part(character))
                    .unwrap_or(text.len());
                if end == 0 {
                    return Err(TemplateError(format!("{first:?} is not expected in a key")));
                }
                let (name, rest) = text.split_at(end);
                self.rest = rest;
                Ok(Word::Name(name))
            }
        }
    }

    fn quoted(&mut self, text: &'a str) -> Result<Word<'a>, TemplateError> {
        let mut unquoted = String::new();
        let mut characters = text.char_indices();
        while let Some((place, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &text[place + 1..];
                    return Ok(Word::Text(unquoted));
                }
                '\n' => break,
                '\\' => unquoted.push(match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => escaped,
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    _ => return Err(wrong("a string has an escape that is not known here")),
                }),
                other => unquoted.push(other),
            }
        }
        Err(wrong("a string does not end"))
    }

    /// Passes over a comment, if there is one.
    fn comment(&mut self) -> Result<bool, TemplateError> {
        let text = self.rest.trim_start_matches(is_space);
        let Some(comment) = text.strip_prefix("/*") else {
            return Ok(false);
        };
        let end = comment.split_once("*/");
        let (_, rest) = end.ok_or_else(|| wrong("a comment does not end"))?;
        self.rest = rest;
        Ok(true)
    }
}

fn wrong(what: &str) -> TemplateError {
    TemplateError(format!("the key is no template: {what}"))
}
