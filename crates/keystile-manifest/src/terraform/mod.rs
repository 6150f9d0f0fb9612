//! Terraform to objects: secrets, parameters, and what `kubernetes_manifest` would apply.
//!
//! ```text
//! *.tf, *.tf.json, *.tfvars ─► syntax (blocks) ─► one module a folder ─► evaluate ─► resources: Documents
//! ```
//!
//! Terraform is not run. Literals, locals, and variables with a default (or a value in a `.tfvars` file that
//! Terraform loads by itself) are evaluated, with the operators and the few functions that keep a value
//! what it is. Whatever else an expression says stays as its text in `${…}`, which the engine takes for
//! undecidable. How many resources an unknown `count` or `for_each` makes is a gap of its own.
//!
//! Source: the Terraform language documentation (1.14), "Files and Configuration Structure", "JSON
//! Configuration Syntax", "Input Variables".

mod evaluate;
mod resources;
mod syntax;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::Document;
use crate::files::Gap;
use crate::source::Source;

/// What a file is to Terraform; `None` for nothing.
#[must_use]
pub fn is_terraform(name: &str) -> bool {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.ends_with(".tf") || name.ends_with(".tf.json") || is_values(name)
}

/// A file of values that Terraform loads by itself.
fn is_values(name: &str) -> bool {
    name == "terraform.tfvars" || name.ends_with(".auto.tfvars")
}

/// What Terraform's files give.
#[derive(Debug, Default)]
pub struct Resources {
    /// The objects.
    pub documents: Vec<Document>,
    /// What could not be read, and what is not known.
    pub gaps: Vec<Gap>,
}

/// Reads the files of a run, each folder as one module.
#[must_use]
pub fn read(sources: &[Arc<Source>]) -> Resources {
    let mut modules: BTreeMap<&str, syntax::Module> = BTreeMap::new();
    let mut found = Resources::default();
    for source in sources {
        let (folder, name) = source.name().rsplit_once('/').unwrap_or(("", source.name()));
        let module = modules.entry(folder).or_default();
        if let Err(unreadable) = module.add(source, is_values(name)) {
            found.gaps.push((*unreadable).into());
        }
    }
    for module in modules.values() {
        resources::of(module, &mut found);
    }
    found
}

#[cfg(test)]
mod tests;
