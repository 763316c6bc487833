//! `dm` operates a store.
fn main() {}
