//! Checking indexes against documents.

use datamanager::{DataManager, ExportOptions};

use super::{User, sample};
use crate::host::Host;

/// The export of a store with indexes, as lines.
async fn exported(store: &DataManager) -> Vec<String> {
    let mut export = store.export(ExportOptions::new()).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        bytes.extend(piece);
    }
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A native export ends with a count and a checksum: as somebody would put them who has edited one.
fn with_trailer(mut lines: Vec<String>) -> Vec<u8> {
    lines.pop();
    let mut text = lines.join("\n");
    text.push('\n');
    let (entries, checksum) = (lines.len() - 1, crc32c::crc32c(text.as_bytes()));
    text.push_str(&format!(
        "{{\"end\":{{\"entries\":{entries},\"crc32c\":\"{checksum:08x}\"}}}}\n"
    ));
    text.into_bytes()
}

fn remove_first(lines: &mut Vec<String>, part: &str) {
    let place = lines.iter().position(|line| line.contains(part)).unwrap();
    lines.remove(place);
}

/// An export is edited and imported, so that the store is sound but for its indexes.
fn verify_edited(edit: impl Fn(&mut Vec<String>)) -> Vec<String> {
    let host = Host::new(1);
    host.run(async |store| {
        sample(&store).await;
        let mut lines = exported(&store).await;
        edit(&mut lines);
        store.maintenance_on().await.unwrap();
        let input = std::io::Cursor::new(with_trailer(lines));
        store.import(input, Default::default()).await.unwrap();
        store.maintenance_off(false).await.unwrap();
        let users = store.collection::<User>().unwrap();
        let typed = users.verify_indexes().await.unwrap();
        let untyped = host.builder(&host.process()).verify().await.unwrap();
        assert_eq!(typed.damage.is_empty(), untyped.is_sound(), "{typed:?}");
        store.mark_indexes_stale("user").await.unwrap();
        let minute = std::time::Duration::from_secs(60);
        users.wait_for_indexes(minute).await.unwrap();
        let mended = users.verify_indexes().await.unwrap();
        assert!(mended.damage.is_empty(), "{mended:?}");
        let damage = untyped.damage.into_iter().map(|damage| damage.what);
        damage.collect()
    })
}

fn assert_tells(damage: &[String], part: &str) {
    let told = damage.iter().any(|what| what.contains(part));
    assert!(told, "{part:?} is not in {damage:?}");
}

#[test]
fn an_index_that_names_a_missing_document_is_damage() {
    let damage = verify_edited(|lines| remove_first(lines, "{\"type\":\"user\",\"id\":\"2\""));
    assert_tells(&damage, "names document \"2\", which is not there");
}

#[test]
fn an_index_that_lacks_a_document_is_damage() {
    let damage = verify_edited(|lines| remove_first(lines, "\"!index\""));
    assert_tells(&damage, "has 4 entries for 5 documents");
}

#[test]
fn an_index_that_names_a_document_twice_is_damage() {
    // The entry of the name "cy" has its document's id, 4, as its value.
    let damage = verify_edited(|lines| {
        let of_four = |line: &&mut String| line.contains("!index") && line.contains("\"NA==\"");
        let line = lines.iter_mut().find(of_four).unwrap();
        *line = line.replace("\"NA==\"", "\"MQ==\"");
    });
    assert_tells(&damage, "names some documents twice");
}

#[test]
fn an_export_comes_back_with_its_indexes() {
    assert_eq!(verify_edited(|_| {}), Vec::<String>::new());
}

#[test]
fn index_entries_without_their_catalog_are_refused() {
    let host = Host::new(2);
    host.run(async |store| {
        sample(&store).await;
        let mut lines = exported(&store).await;
        remove_first(&mut lines, "\"!catalog\"");
        store.maintenance_on().await.unwrap();
        let input = std::io::Cursor::new(with_trailer(lines));
        let error = store.import(input, Default::default()).await.unwrap_err();
        assert!(error.to_string().contains("no catalog"), "{error}");
        assert_eq!(store.count("user").await.unwrap(), 5);
    });
}
