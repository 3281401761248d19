// SPDX-License-Identifier: Apache-2.0

/// Values between 0 and 1 as cells of one colour: groups of rows above one another, with the same
/// columns.
package struct HeatMap: Sendable {
    /// Rows under a title.
    package struct Group: Sendable {
        package var title: String
        package var rows: [String]
        /// `[rows][columns]`
        package var values: [[Double]]

        package init(title: String, rows: [String], values: [[Double]]) {
            self.title = title
            self.rows = rows
            self.values = values
        }
    }

    package var title: String
    package var columns: [String]
    /// The column before which a line is drawn, as where a prompt ends.
    package var mark: Int?
    package var groups: [Group]

    package init(title: String, columns: [String], mark: Int? = nil, groups: [Group]) {
        self.title = title
        self.columns = columns
        self.mark = mark
        self.groups = groups
    }

    private static let cell = (width: 16.0, height: 14.0)
    private static let left = 110.0
    private static let top = 110.0
    private static let gap = 30.0
    /// More characters of a column's name than these are left out.
    private static let longestName = 14

    /// The drawing as an SVG document.
    package var svg: String {
        let rows = groups.reduce(0) { $0 + $1.rows.count }
        let width = Self.left + Double(columns.count) * Self.cell.width + 20
        let height =
            Self.top + Double(rows) * Self.cell.height + Double(groups.count) * Self.gap + 10
        var document = SVGDocument(width: max(width, 320), height: height)
        document.label(title, at: (x: 10, y: 20), style: "title")
        for (index, column) in columns.enumerated() {
            let x = Self.left + (Double(index) + 0.75) * Self.cell.width
            document.label(
                String(column.prefix(Self.longestName)), at: (x: x, y: Self.top - 4), turned: -60)
        }
        var y = Self.top
        for group in groups { draw(group, at: &y, in: &document) }
        return document.text
    }

    private func draw(_ group: Group, at y: inout Double, in document: inout SVGDocument) {
        document.label(group.title, at: (x: 10, y: y + 16), style: "title")
        y += Self.gap - 6
        let start = y
        for (row, values) in zip(group.rows, group.values) {
            document.label(row, at: (x: Self.left - 6, y: y + 11), .end)
            for (index, value) in zip(columns.indices, values) {
                let box = PlotBox(
                    x: Self.left + Double(index) * Self.cell.width, y: y,
                    width: Self.cell.width - 1, height: Self.cell.height - 1)
                let shown = (value * 1000).rounded() / 1000
                document.cell(
                    box, value: value, title: "\(columns[index]) · \(row): \(shown)")
            }
            y += Self.cell.height
        }
        if let mark {
            let x = Self.left + Double(mark) * Self.cell.width - 0.5
            document.line(from: (x: x, y: start), to: (x: x, y: y), "axis")
        }
        y += 6
    }
}
