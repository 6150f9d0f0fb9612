//! `keystile policy init`: proposes a policy for what is there.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use keystile_manifest::files::{self, Walk};
use keystile_policy::policy::proposal;

use crate::cli::policy::InitArgs;
use crate::exit::{Exit, UsageError};
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::scrub::Scrubber;
use crate::terminal;

pub(super) fn run(args: &InitArgs) -> anyhow::Result<Exit> {
    let is_standard_output = args.output == Path::new("-");
    if !is_standard_output && args.output.exists() {
        return Err(UsageError(format!(
            "{} is there already, and is kept; write the proposal to another file with --output",
            args.output.display()
        ))
        .into());
    }
    let found = files::read_paths(&args.paths, Walk { honour_ignore_files: true });
    for gap in &found.gaps {
        terminal::warning(&format!("not read: {}: {}", printable(&gap.file), printable(&gap.message)));
    }
    let is_complete = found.gaps.is_empty();
    let objects: Vec<_> = found.documents.into_iter().map(|document| document.value).collect();
    let proposal = proposal::propose(&objects, Timestamp::now()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("what is there can't be said in a policy:\n{}", problems.join("\n"))
    })?;
    if proposal.objects == 0 {
        return Err(UsageError(
            "there is no object in these files that a policy speaks about; hand over manifests with namespaces, stores \
             and ExternalSecrets, or what `keystile policy snapshot` wrote"
                .to_owned(),
        )
        .into());
    }
    for note in &proposal.notes {
        terminal::warning(&printable(note));
    }
    // Names come from the objects; a credential that somebody wrote as a name is not repeated.
    let text = Scrubber::new().scrub(&proposal.text);
    if is_standard_output {
        crate::commands::scan::hand_over(text.as_bytes(), &Destination::StandardOutput)?;
    } else {
        if let Some(folder) = args.output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).with_context(|| format!("while making {}", folder.display()))?;
        }
        crate::atomic_file::replace(&args.output, text.as_bytes())
            .with_context(|| format!("while writing the policy to {}", args.output.display()))?;
        terminal::note(&format!("wrote {} from {} objects", args.output.display(), proposal.objects));
    }
    Ok(if is_complete { Exit::Clean } else { Exit::Incomplete })
}
