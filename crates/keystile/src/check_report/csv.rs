//! The `csv` format: RFC 4180, one line per problem and gap. Cells that a spreadsheet would run as a
//! formula get a `'` before them, as in scan's report.

use std::io::{self, Write};

use super::{gap_message, json, weight_str};
use crate::check::CheckReport;
use crate::report::csv::row;

const COLUMNS: [&str; 14] = [
    "weight",
    "rule_id",
    "action",
    "outcome",
    "file",
    "line",
    "column",
    "kind",
    "namespace",
    "name",
    "path",
    "message",
    "cure",
    "effective_key",
];

pub(super) fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    row(out, &COLUMNS.map(str::to_owned), "\r\n")?;
    for problem in &report.problems {
        let cells = [
            weight_str(problem.weight()).to_owned(),
            problem.rule.id.to_owned(),
            json::action(problem).to_owned(),
            json::outcome(problem).to_owned(),
            problem.file.clone(),
            problem.position.line.to_string(),
            problem.position.column.to_string(),
            problem.object.kind.clone(),
            problem.object.namespace.clone(),
            problem.object.name.clone(),
            problem.path.clone(),
            problem.message.clone(),
            problem.cure.clone(),
            problem.effective_key.clone().unwrap_or_default(),
        ];
        row(out, &cells, "\r\n")?;
    }
    for gap in &report.gaps {
        let mut cells = COLUMNS.map(|_| String::new());
        "gap".clone_into(&mut cells[0]);
        gap.kind.clone_into(&mut cells[1]);
        "not_evaluated".clone_into(&mut cells[3]);
        cells[4].clone_from(&gap.file);
        if let Some(position) = gap.position {
            cells[5] = position.line.to_string();
            cells[6] = position.column.to_string();
        }
        cells[11] = gap_message(gap);
        row(out, &cells, "\r\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use crate::cli::check::CheckFormat;

    #[test]
    fn a_line_per_problem_and_gap() {
        let text = sample::render(&sample::report(), CheckFormat::Csv);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[1].starts_with("violation,key-outside-grant,deny,fail,deploy/db.yaml,9,18,ExternalSecret,a,db,"));
        assert!(lines[4].starts_with("gap,template,,not_evaluated,chart/es.yaml,3,8,"), "{text}");
    }
}
