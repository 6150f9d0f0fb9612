//! Decodes every object of a repository and does nothing with it: the limit that a scan approaches.
//!
//! `cargo run --release --example decode_only -- OBJECTS_DIRECTORY [THREADS] [crc|id]`

use std::io::Write;
use std::time::Instant;

use keystile_git::object::{HashKind, Kind};
use keystile_git::progress::Progress;
use keystile_git::store::ObjectStore;
use keystile_git::walk::{Check, Object, Visitor, WalkOptions, walk};

struct Nothing;

impl Visitor for Nothing {
    type Scratch = ();
    type Kept = ();

    fn scratch(&self) {}

    fn wants(&self, _kind: Kind) -> bool {
        true
    }

    fn visit(&self, (): &mut (), _object: &Object<'_, ()>, _is_base: bool) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let objects = arguments.next().ok_or("which objects directory?")?;
    let threads = arguments.next().map_or(Ok(0), |threads| threads.parse())?;
    let check = if arguments.next().as_deref() == Some("id") { Check::Id } else { Check::Crc };
    let start = Instant::now();
    let store = ObjectStore::open(objects.as_ref(), HashKind::Sha1)?;
    let opened = start.elapsed();
    let outcome = walk(&store, &Nothing, &WalkOptions { threads, check, max_object_bytes: None }, &Progress::default());
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} objects, {} bytes, {} lost, {} gaps; opened in {:.3} s, decoded in {:.3} s",
        outcome.objects,
        outcome.bytes,
        outcome.lost.len(),
        store.gaps().len(),
        opened.as_secs_f64(),
        (start.elapsed() - opened).as_secs_f64(),
    )?;
    Ok(())
}
