//! The `jsonl` format: one JSON document per line (`"type": "finding"`), then one with everything
//! else (`"type": "coverage"`). A reader that has seen no `coverage` record has not seen all.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::json;
use super::view::View;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in &view.findings {
        line(out, "finding", json::finding(finding))?;
    }
    let mut record = json::head(view);
    record.insert("coverage".into(), json::coverage(&view.coverage, view.scanned_anything()));
    json::tail(view, &mut record);
    line(out, "coverage", Value::Object(record))
}

fn line(out: &mut dyn Write, kind: &str, record: Value) -> io::Result<()> {
    let mut typed = Map::new();
    typed.insert("type".into(), kind.into());
    if let Value::Object(record) = record {
        typed.extend(record);
    }
    serde_json::to_writer(&mut *out, &typed)?;
    writeln!(out)
}
