//! The names of one directory, as they are and as they were synced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::content::Content;
use crate::environment::SeededRandom;

pub(super) type Inode = Mutex<Content>;
type Names = BTreeMap<String, Arc<Inode>>;

/// Invariant: `names` is `synced` after all of `unsynced`, in their order.
#[derive(Debug, Default)]
pub(super) struct Directory {
    names: Names,
    synced: Names,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Link {
        name: String,
        inode: Arc<Inode>,
    },
    Unlink {
        name: String,
    },
    Rename {
        from: String,
        to: String,
        inode: Arc<Inode>,
    },
}

impl Directory {
    pub(super) const EMPTY: &'static Directory = &Directory {
        names: Names::new(),
        synced: Names::new(),
        unsynced: Vec::new(),
    };

    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn inodes(&self) -> impl Iterator<Item = &Arc<Inode>> {
        self.names.values()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Inode>> {
        self.names.get(name).cloned()
    }

    pub(super) fn link(&mut self, name: &str, inode: Arc<Inode>) {
        self.change(Change::Link {
            name: name.to_owned(),
            inode,
        });
    }

    pub(super) fn unlink(&mut self, name: &str) {
        self.change(Change::Unlink {
            name: name.to_owned(),
        });
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, inode: Arc<Inode>) {
        self.change(Change::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            inode,
        });
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// Leaves what was synced and a part of the rest.
    pub(super) fn crash(&mut self, random: &mut SeededRandom) {
        let changes = std::mem::take(&mut self.unsynced);
        let (kept_first, any_of_the_rest) = match random.below(4) {
            0 => (0, false),
            1 => (changes.len(), false),
            2 => (random.below(changes.len() + 1), false),
            _ => (0, true),
        };
        for (number, change) in changes.into_iter().enumerate() {
            if number < kept_first || (any_of_the_rest && random.coin()) {
                change.apply(&mut self.synced);
            }
        }
        self.names = self.synced.clone();
    }

    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.names);
        self.unsynced.push(change);
    }
}

impl Change {
    fn apply(self, names: &mut Names) {
        match self {
            Change::Link { name, inode } => {
                names.insert(name, inode);
            }
            Change::Unlink { name } => {
                names.remove(&name);
            }
            Change::Rename { from, to, inode } => {
                names.remove(&from);
                names.insert(to, inode);
            }
        }
    }
}
