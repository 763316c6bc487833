//! How logs are printed.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateway_client::LogStep;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use unicode_width::UnicodeWidthStr;

use super::log_stream::{Content, Piece};
use crate::output::{Output, printable};

/// Bytes of a line that are held back until it ends. A longer one is printed as several.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Prints what comes of logs.
pub(super) struct Printer {
    form: Form,
    /// The beginnings of lines that have not ended.
    begun: HashMap<(Arc<str>, LogStepKey), Vec<u8>>,
}

type LogStepKey = Option<u32>;

enum Form {
    /// Byte for byte.
    Raw,
    /// Each line behind the name of its task, which is padded to this width.
    Named(usize),
    /// A line of JSON for each line.
    Json,
}

impl Printer {
    /// A printer for logs of tasks with these names.
    pub(super) fn new<'a>(output: &Output, names: impl IntoIterator<Item = &'a str>) -> Printer {
        let widths: Vec<usize> = names
            .into_iter()
            .map(|name| printable(name).width())
            .collect();
        let form = match widths.iter().max() {
            _ if output.is_json() => Form::Json,
            Some(width) if widths.len() > 1 => Form::Named(*width),
            _ => Form::Raw,
        };
        Printer {
            form,
            begun: HashMap::new(),
        }
    }

    /// Prints all that comes until nothing comes any more.
    pub(super) async fn print_all(
        &mut self,
        output: &mut Output,
        receiver: &mut Receiver<Piece>,
    ) -> anyhow::Result<()> {
        while let Some(piece) = receiver.recv().await {
            self.print(output, piece)?;
            if receiver.is_empty() {
                output.flush()?;
            }
        }
        Ok(())
    }

    pub(super) fn print(&mut self, output: &mut Output, piece: Piece) -> anyhow::Result<()> {
        let Piece {
            task,
            step,
            content,
        } = piece;
        if let (Form::Raw, Content::Bytes(bytes)) = (&self.form, &content) {
            return output.bytes(bytes);
        }
        let key = (task.clone(), step_key(step));
        let mut line = self.begun.remove(&key).unwrap_or_default();
        let Content::Bytes(bytes) = content else {
            return match line.is_empty() {
                true => Ok(()),
                false => self.print_line(output, &task, step, &line),
            };
        };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    line.extend_from_slice(end);
                    self.print_line(output, &task, step, &line)?;
                    line.clear();
                }
                None => line.extend_from_slice(part),
            }
            if line.len() > LINE_BYTES_MAX {
                self.print_line(output, &task, step, &line)?;
                line.clear();
            }
        }
        if !line.is_empty() {
            self.begun.insert(key, line);
        }
        Ok(())
    }

    fn print_line(
        &self,
        output: &mut Output,
        task: &str,
        step: LogStep,
        line: &[u8],
    ) -> anyhow::Result<()> {
        let Form::Named(width) = self.form else {
            return output.json(&as_json(task, step, line));
        };
        let task = printable(task);
        let padding = width.saturating_sub(task.width());
        output.bytes(format!("{task}{:padding$} | ", ""))?;
        output.line(line)
    }
}

fn step_key(step: LogStep) -> LogStepKey {
    match step {
        LogStep::Setup => None,
        LogStep::Step(step) => Some(step),
    }
}

fn as_json(task: &str, step: LogStep, line: &[u8]) -> Value {
    let step = match step {
        LogStep::Setup => json!("setup"),
        LogStep::Step(step) => json!(step),
    };
    match std::str::from_utf8(line) {
        Ok(line) => json!({ "task": task, "step": step, "line": line }),
        Err(_) => json!({ "task": task, "step": step, "line_base64": BASE64.encode(line) }),
    }
}
