//! Which commit holds which tree holds which blob, as far as a scan asks.
