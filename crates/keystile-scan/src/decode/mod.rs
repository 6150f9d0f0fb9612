//! Decoders: text inside of text.
