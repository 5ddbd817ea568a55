/// A table with aligned columns for a terminal: texts are aligned left, numbers right.
package struct Columns {
  private var rows: [[String]]
  private let isText: [Bool]

  /// - Parameter isText: by column, whether it has texts; columns after its end have numbers.
  package init(_ header: [String], isText: [Bool]) {
    rows = [header]
    self.isText = isText + [Bool](repeating: false, count: max(header.count - isText.count, 0))
  }

  /// Adds a row.
  /// - Precondition: it has as many cells as the header.
  package mutating func add(_ cells: [String]) { rows.append(cells) }

  package var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    return rows.map { row in
      row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        if isText[column] { return column == row.count - 1 ? row[column] : row[column] + padding }
        return padding + row[column]
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
