//! What a range of commits introduces.
