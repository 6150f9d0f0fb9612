//! Every place of a repository that holds objects: packs, loose objects, alternates.
