//! The command line.

use anyhow::{Context, bail, ensure};

const USAGE: &str =
    "usage: bank [--processes N] [--seconds S] [--kills] [--store URL] [--etcd URLS] [--seed N]";

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) processes: usize,
    pub(crate) seconds: u64,
    pub(crate) kills: bool,
    pub(crate) store: Option<String>,
    /// The etcd that has the log, if that is not in objects.
    pub(crate) etcd: Option<String>,
    pub(crate) seed: u64,
    /// The name of the teller that this process is; the bank starts them with it.
    pub(crate) teller: Option<String>,
}

impl Options {
    pub(crate) fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> anyhow::Result<Options> {
        let mut options = Options {
            processes: 4,
            seconds: 2,
            kills: false,
            store: None,
            etcd: None,
            seed: rand::random(),
            teller: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{argument} needs a value; {USAGE}"))
            };
            match argument.as_str() {
                "--processes" => options.processes = number(&value()?)?,
                "--seconds" => options.seconds = number(&value()?)?,
                "--kills" => options.kills = true,
                "--store" => options.store = Some(value()?),
                "--etcd" => options.etcd = Some(value()?),
                "--seed" => options.seed = number(&value()?)?,
                "--teller" => options.teller = Some(value()?),
                _ => bail!("{argument:?} is not known; {USAGE}"),
            }
        }
        ensure!(options.processes > 0, "a bank needs a teller; {USAGE}");
        Ok(options)
    }
}

fn number<N: std::str::FromStr>(text: &str) -> anyhow::Result<N> {
    let number = text.parse().ok();
    number.with_context(|| format!("{text:?} is no number; {USAGE}"))
}
