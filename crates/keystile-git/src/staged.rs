//! What the commit about to be made adds.
