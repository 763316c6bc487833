//! The keys of the bucket in their order, and the file that each has.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

/// An object in a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// Which objects there are.
///
/// `s3s-fs` makes its files' names of the keys, so that long ones do not fit and `a` hides `a/b`. Here each key gets
/// a short name, once and for all, and lists come from memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    objects: BTreeMap<String, Entry>,
    names: HashMap<String, String>,
}

/// What a page begins behind, and how long it is.
#[derive(Debug)]
pub(super) struct PageRequest<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) after: Option<&'a str>,
    pub(super) entries_max: usize,
}

/// One page of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<(String, Entry)>,
    pub(super) prefixes: Vec<String>,
    /// What the next page begins behind; `None` on the last one.
    pub(super) next: Option<String>,
}

impl Index {
    /// The file's name of a key, which never changes.
    pub(super) fn name(&mut self, key: &str) -> String {
        let number = self.names.len();
        let name = self.names.entry(key.to_owned());
        name.or_insert_with(|| format!("object-{number}")).clone()
    }

    pub(super) fn insert(&mut self, key: String, entry: Entry) {
        self.objects.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.objects.remove(key);
    }

    pub(super) fn page(&self, request: &PageRequest<'_>) -> Page {
        let mut page = Page::default();
        let mut last: Option<String> = None;
        for (key, entry) in self.objects_from(request) {
            let prefix = common_prefix(key, request);
            if prefix.is_some_and(|prefix| request.after == Some(prefix))
                || prefix.is_some() && prefix == page.prefixes.last().map(String::as_str)
            {
                continue;
            }
            if page.objects.len() + page.prefixes.len() >= request.entries_max {
                page.next = last;
                break;
            }
            last = Some(prefix.unwrap_or(key).to_owned());
            match prefix {
                Some(prefix) => page.prefixes.push(prefix.to_owned()),
                None => page.objects.push((key.clone(), entry.clone())),
            }
        }
        page
    }

    /// The objects that the prefix has, from the first that the page may show.
    fn objects_from<'a>(
        &'a self,
        request: &'a PageRequest<'_>,
    ) -> impl Iterator<Item = (&'a String, &'a Entry)> {
        let start = match request.after {
            Some(after) if after >= request.prefix => Bound::Excluded(after),
            _ => Bound::Included(request.prefix),
        };
        self.objects
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(request.prefix))
    }
}

/// What stands in a list for all keys that go on behind a delimiter.
fn common_prefix<'a>(key: &'a str, request: &PageRequest<'_>) -> Option<&'a str> {
    let delimiter = request
        .delimiter
        .filter(|delimiter| !delimiter.is_empty())?;
    let at = key[request.prefix.len()..].find(delimiter)?;
    Some(&key[..request.prefix.len() + at + delimiter.len()])
}
