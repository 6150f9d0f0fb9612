//! Reports: whole ones against golden files, every outcome in every format, hostile names, masks, and runs of the
//! engine whose values must not show.

mod fields;
mod fixture;
mod golden;
mod hostile;
mod keys;
mod outcomes;
mod runs;
