//! Where a path leads, by its text alone: no file is looked at, so a link may lead elsewhere.

/// Whether a path says by itself where it begins.
pub(crate) fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || has_drive(path)
}

/// Whether a path begins with a drive, as in `C:/`.
fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}

/// The steps of a path from the root on, without `.`, `..` and empty ones; a relative path begins in `folder`. Nothing where
/// the text does not say where it leads.
fn steps<'a>(path: &'a str, folder: &'a str) -> Option<Vec<&'a str>> {
    if path.contains(char::is_control) {
        return None;
    }
    let mut taken = if is_absolute(path) {
        Vec::new()
    } else {
        // A shell or a program could make something else of these.
        let is_plain = !path.starts_with('~') && !path.contains(['$', '`', '%']) && !path.contains("://");
        if !is_plain || !is_absolute(folder) {
            return None;
        }
        steps(folder, "")?
    };
    let with_drive = has_drive(path) || has_drive(folder);
    if path.contains('\\') && !with_drive {
        return None;
    }
    let root = usize::from(with_drive);
    for part in path.split(|c| c == '/' || (with_drive && c == '\\')) {
        match part {
            "" | "." => {}
            ".." if taken.len() > root => drop(taken.pop()),
            ".." => {}
            step => taken.push(step),
        }
    }
    Some(taken)
}

/// Whether a path leads beneath a folder; a relative one from `cwd` on.
pub(crate) fn is_beneath(path: &str, root: &str, cwd: &str) -> bool {
    let (Some(root), Some(path)) = (steps(root, ""), steps(path, cwd)) else { return false };
    path.len() > root.len() && path.starts_with(&root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_their_steps_lead() {
        for root in ["/project", "/project/", "/x/../project/./"] {
            for (path, cwd, expected) in [
                ("/project/a", "", true),
                ("/project//a/./b", "", true),
                ("/project/a/../b", "", true),
                ("/other/../project/b", "", true),
                ("/project/../etc/passwd", "", false),
                ("/project/ws/../../etc/passwd", "", false),
                ("/../../project/a", "", true),
                ("/projects/a", "", false),
                ("/project", "", false),
                ("./a/../b", "/project", true),
                ("a", "/project/", true),
                ("../a", "/project", false),
                ("../a", "/project/b", true),
                ("a", "", false),
                ("~/a", "/project", false),
                ("$HOME/a", "/project", false),
                ("file:///etc/passwd", "/project", false),
                ("/project/a\0", "", false),
                ("/project/..\\..\\x", "", false),
                ("", "/project", false),
            ] {
                assert_eq!(is_beneath(path, root, cwd), expected, "{path:?} from {cwd:?} beneath {root:?}");
            }
        }
        assert!(is_beneath("C:\\project\\a\\..\\b", "C:/project", "") && !is_beneath("C:/a", "D:/", ""));
        assert!(!is_beneath("C:\\project\\..\\b", "C:/project/", "") && !is_beneath("/a", "", "/"));
    }
}
