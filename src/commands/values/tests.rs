use super::*;
use crate::front::samples;

fn sheet() -> Sheet {
    Sheet {
        person: PersonId::new("ada").expect("a name"),
        through: Seq(420),
        time: Some("2026-11-27T10:00:00Z".parse().expect("a time")),
        values: samples::values(),
        beyond: samples::person(),
        page: samples::page(),
    }
}

#[test]
fn the_page_as_text() {
    insta::assert_snapshot!(plain(&sheet()));
}

#[test]
fn the_page_as_markdown() {
    insta::assert_snapshot!(markdown::page(&sheet()));
}

#[test]
fn the_page_as_html_needs_nothing_else() {
    let mut sheet = sheet();
    sheet.values.values[0].name = "<script>alert(1)</script>".into();
    sheet.page.surprises[0].said = "chose \"<img src=x>\"".into();
    let page = html::page(&sheet);
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;"));
    // Nothing is fetched: the only address is the name of the language of pictures.
    let addresses = page.matches("http").count();
    assert_eq!(addresses - page.matches("http-equiv").count(), page.matches("http://www.w3.org/2000/svg").count());
    for section in said(&sheet) {
        assert!(page.contains(section.heading));
    }
}

#[test]
fn the_picture_holds_every_value_and_every_number() {
    let mut sheet = sheet();
    sheet.values.values[0].mean = f64::NAN;
    sheet.values.values[1].high = f64::INFINITY;
    sheet.values.values[2].low = -1e9;
    let picture = drawing::picture(&sheet);
    assert!(sheet.values.values.iter().all(|value| picture.contains(&value.name)), "{picture}");
    assert!(!picture.contains("NaN\"") && !picture.contains("inf\""), "{picture}");
}
