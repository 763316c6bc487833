//! Pins that are left behind.

use std::sync::Arc;

use datamanager::{ErrorKind, ExportOptions};
use object_store::memory::InMemory;
use ost::{Fault, FaultInjectingStore, ObjectPath, Operation};

use crate::host::Host;

/// An export puts a pin, and then looks whether it was there before a collector came. One that failed or died in between left
/// a pin of a manifest that was gone already, and verification called the store damaged until the pin's term was over.
#[test]
fn a_pin_of_an_export_that_came_too_late_is_no_damage() {
    for (name, is_sound) in [("export-0123456789abcdef", true), ("backup", false)] {
        let host = Host::new(1);
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                store.put_raw("item", "a", "0").await.unwrap();
                let pin = store.pin(name, None).await.unwrap();
                store.checkpoint().await.unwrap();
                let manifest = ObjectPath::parse(&pin.manifest_key()).unwrap();
                host.ost.delete(&manifest).await.unwrap();
                let report = host.builder(&process).verify().await.unwrap();
                assert_eq!(report.is_sound(), is_sound, "{name}: {report:?}");
                store.close().await.unwrap();
            })
            .unwrap();
    }
}

/// An export that could not see whether its pin held ended with an error, and left the pin for ten minutes.
#[test]
fn an_export_that_cannot_hold_its_files_leaves_no_pin() {
    let mut host = Host::new(1);
    let objects = FaultInjectingStore::new(Arc::new(InMemory::new()), 1);
    host.use_objects(Arc::new(objects.clone()));
    host.run(async |store| {
        store.put_raw("item", "a", "0").await.unwrap();
        objects.inject(Fault::on(Operation::List).paths("*manifests/*").times(1));
        let error = store.export(ExportOptions::new()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(objects.injected(), 1);
        assert_eq!(store.pins().await.unwrap(), []);
    });
}
