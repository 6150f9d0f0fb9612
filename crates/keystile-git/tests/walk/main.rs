//! The object store and the walk against real git: every object once, with the right bytes; damage
//! named; nothing written.
// Permissions and pipes are made in the Unix way.
#![cfg(unix)]

mod damage;
mod hostile;
mod layouts;
mod packer;
mod repository;
mod seen;
mod walking;
