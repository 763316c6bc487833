//! What a load or an import of more than fits in memory takes of it.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Place, Random, number_from};

const ROWS_PER_BATCH: u64 = 1_000;
const MEMORY_KIB_MAX: u64 = 512 * 1024;

/// Rows of about 200 bytes whose ids come in no order.
fn write_rows(mut input: impl Write, rows: u64) {
    let mut random = Random::new(7);
    let mut batch = String::new();
    for row in 0..rows {
        let (first, second) = (random.next(), random.next());
        batch.push_str(&format!("{{\"id\":\"{first:016x}-{row}\",\"v\":\""));
        for part in 0..8u32 {
            batch.push_str(&format!("{:016x}", second.rotate_left(8 * part) ^ first));
        }
        batch.push_str("\"}\n");
        if (row + 1) % ROWS_PER_BATCH == 0 {
            input.write_all(batch.as_bytes()).unwrap();
            batch.clear();
        }
    }
}

/// The most memory that a process has had, from Linux's own count.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// `DM_SOAK_ENTRIES` says how many; the soak loads ten million.
#[test]
fn loading_random_ids_keeps_memory_within_half_a_gibibyte() {
    let rows = number_from("DM_SOAK_ENTRIES", 100_000) / ROWS_PER_BATCH * ROWS_PER_BATCH;
    let place = Place::new();
    let mut load = place.start(&["load", "item", "-", "--id", "id", "--replace", "--json"]);
    let mut input = load.take_input();
    let (all_are_stored, wait) = mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        write_rows(&mut input, rows);
        // The input stays open until the process has been looked at.
        let _ = wait.recv();
    });
    for batch in 1..=rows / ROWS_PER_BATCH {
        let line = load.line().unwrap();
        assert!(
            line.contains(&format!("\"last_row\":{}", batch * ROWS_PER_BATCH)),
            "{line}"
        );
    }
    if let Some(peak) = peak_kib(load.id()) {
        println!("{rows} entries: {peak} KiB at the most");
        assert!(peak < MEMORY_KIB_MAX, "{peak} KiB for {rows} entries");
    }
    drop(all_are_stored);
    writer.join().unwrap();
    assert_eq!(load.finish(), 0);
    assert_eq!(place.dm(&["count", "item"]).done(), format!("{rows}\n"));
}

/// Field case IE-09: an import that kept all of its input in memory. The ids come in no order, so that they are sorted.
#[test]
fn importing_random_ids_keeps_memory_within_half_a_gibibyte() {
    let rows = number_from("DM_SOAK_ENTRIES", 150_000) / ROWS_PER_BATCH * ROWS_PER_BATCH;
    let place = Place::new();
    place.dm(&["maintenance", "on"]).done();
    let mut import = place.start(&["import", "-"]);
    let process = import.id();
    let watcher = std::thread::spawn(move || {
        let mut most = None;
        // It has no memory any more when it has ended.
        while let Some(peak) = peak_kib(process) {
            most = Some(peak);
            std::thread::sleep(Duration::from_millis(5));
        }
        most
    });
    let bytes = write_agola_export(import.take_input(), rows);
    assert_eq!(import.finish(), 0);
    if let Some(peak) = watcher.join().unwrap() {
        println!("{rows} entries of {bytes} bytes: {peak} KiB at the most");
        assert!(peak < MEMORY_KIB_MAX, "{peak} KiB for {rows} entries");
    }
    assert_eq!(place.dm(&["count", "item"]).done(), format!("{rows}\n"));
    place.dm(&["verify"]).done();
}

/// Entries whose ids come in no order, as agola v0.7 exports them; returns their bytes.
fn write_agola_export(input: impl Write, rows: u64) -> usize {
    let mut input = std::io::BufWriter::new(input);
    let mut random = Random::new(8);
    let mut bytes = 0;
    for row in 0..rows {
        let (first, second) = (random.next(), random.next());
        let value = STANDARD.encode(format!("{second:016x}").repeat(7));
        let line = format!(
            "{{\"id\":\"{first:016x}-{row}\",\"data_type\":\"item\",\"data\":\"{value}\"}}\n"
        );
        input.write_all(line.as_bytes()).unwrap();
        bytes += line.len();
    }
    input.flush().unwrap();
    bytes
}
