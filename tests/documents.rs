//! The documents are true where a machine can tell: links lead somewhere, README's configuration is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = link.contains("://") || link.starts_with("mailto:");
            let folder = page.parent().expect("a folder");
            if !elsewhere && !target.is_empty() && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nothing: {broken:#?}");
}

#[test]
fn the_configuration_in_readme_passes_its_test() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("README.md");
    let yaml = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let folder = std::env::temp_dir().join(format!("gapura-readme-{}", std::process::id()));
    fs::create_dir_all(folder.join("pages")).expect("a folder");
    fs::write(folder.join("pages/all-down.html"), "down").expect("a page");
    fs::write(folder.join("gapura.yaml"), yaml.expect("a block of YAML")).expect("a file");

    let tested = Command::new(env!("CARGO_BIN_EXE_gapura"))
        .args(["-t", "-c"])
        .arg(folder.join("gapura.yaml"))
        .output()
        .expect("gapura");
    fs::remove_dir_all(&folder).expect("removed");
    let said = String::from_utf8_lossy(&tested.stderr);
    assert!(
        tested.status.success() && said.contains("syntax is ok"),
        "{said}"
    );
}

/// Every Markdown file at the root and below `docs`.
fn pages() -> Vec<PathBuf> {
    [Path::new(ROOT).to_owned(), Path::new(ROOT).join("docs")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}
