//! Repositories that would like to have something run, or to be written to.

use crate::support::{TestRepository, github_token, keystile};

#[cfg(unix)]
#[test]
fn nothing_that_the_repository_configures_is_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let repository = TestRepository::new();
    let (program, trace) = (repository.beside("program"), repository.beside("trace"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", trace.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    repository.commit_file("a.txt", "one\n", "start");
    let base = repository.git(&["rev-parse", "HEAD"]);
    repository.commit_file("b.txt", github_token(1), "leak");
    repository.write("c.txt", "two\n");
    repository.git(&["add", "-A"]);
    repository.write("a.txt", "changed\n");
    // Only now, or git itself would run it.
    repository.write(".gitattributes", "* diff=evil filter=evil merge=evil text eol=crlf\n");
    let program = program.to_str().unwrap();
    let hooks = repository.path().join(".git/hooks");
    for hook in ["pre-commit", "post-index-change", "reference-transaction", "fsmonitor-watchman"] {
        let _ = std::fs::create_dir_all(&hooks);
        let _ = std::fs::remove_file(hooks.join(hook));
        std::os::unix::fs::symlink(program, hooks.join(hook)).unwrap();
    }
    let mut config = String::new();
    for (section, key) in [
        ("core", "fsmonitor"),
        ("core", "sshCommand"),
        ("core", "editor"),
        ("core", "pager"),
        ("core", "askPass"),
        ("core", "gitProxy"),
        ("core", "alternateRefsCommand"),
        ("diff", "external"),
        ("diff \"evil\"", "command"),
        ("diff \"evil\"", "textconv"),
        ("filter \"evil\"", "clean"),
        ("filter \"evil\"", "smudge"),
        ("filter \"evil\"", "process"),
        ("merge \"evil\"", "driver"),
        ("gpg", "program"),
        ("gpg \"ssh\"", "program"),
        ("credential", "helper"),
        ("uploadpack", "packObjectsHook"),
        ("remote \"origin\"", "uploadpack"),
        ("remote \"origin\"", "vcs"),
        ("alias", "log"),
        ("pager", "log"),
        ("interactive", "diffFilter"),
        ("sequence", "editor"),
    ] {
        config.push_str(&format!("[{section}]\n\t{key} = {program}\n"));
    }
    let path = repository.path().join(".git/config");
    let text = std::fs::read_to_string(&path).unwrap() + &config + "[log]\n\tshowSignature = true\n";
    std::fs::write(&path, text).unwrap();

    let before = repository.snapshot();
    let range = format!("{base}..HEAD");
    for arguments in [
        &["scan"][..],
        &["scan", "--messages", "--unreachable"],
        &["scan", "--range", &range],
        &["scan", "--range", &range, "--config-from", &base],
        &["scan", "--staged"],
        &["scan", "--dir", "."],
        &["scan", "--compat=strict"],
        &["git"],
        &["git", "--pre-commit"],
        &["protect", "--staged"],
        &["detect"],
        &["rules", "list"],
    ] {
        let run = keystile(repository.path(), arguments);
        assert!(matches!(run.status, Some(0 | 1)), "{arguments:?}: {run:?}");
        assert!(!trace.exists(), "{arguments:?} ran {}", std::fs::read_to_string(&trace).unwrap_or_default());
    }
    assert!(repository.snapshot() == before, "something was written into the repository");
}
