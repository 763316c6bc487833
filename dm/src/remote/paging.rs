//! Lists in the order of names, which the gateway gives in parts.

use clap::Args;
use gateway_client::{Error, Paging};

use crate::output::note;

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Begin behind this name
    #[arg(long, value_name = "NAME")]
    after: Option<String>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

impl PageArgs {
    /// All that is asked for, in as many parts as it takes.
    pub(super) async fn collect<T>(
        &self,
        page: impl AsyncFn(&Paging) -> Result<Vec<T>, Error>,
        name: impl Fn(&T) -> &String,
    ) -> Result<Vec<T>, Error> {
        let mut paging = Paging {
            start: self.after.clone().unwrap_or_default(),
            limit: None,
            ascending: true,
        };
        let mut items: Vec<T> = Vec::new();
        while items.len() < self.limit {
            paging.limit = u32::try_from(self.limit - items.len()).ok();
            let page = page(&paging).await?;
            let Some(last) = page.last() else {
                return Ok(items);
            };
            name(last).clone_into(&mut paging.start);
            items.extend(page);
        }
        items.truncate(self.limit);
        if let Some(last) = items.last() {
            note(format!(
                "{} are shown; --after {} goes on behind them",
                items.len(),
                name(last)
            ));
        }
        Ok(items)
    }
}
