//! Go's regular expression syntax (RE2), translated to the `regex` crate's.
