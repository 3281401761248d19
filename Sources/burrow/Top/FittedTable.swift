// SPDX-License-Identifier: Apache-2.0

/// Columns of text that keep to a width: the least wanted columns go first, then the longest is cut.
struct FittedTable {
    struct Column {
        var title: String
        var isNumber: Bool
        /// The columns with the smallest rank stay longest.
        var rank: Int

        static func text(_ title: String, _ rank: Int) -> Column {
            Column(title: title, isNumber: false, rank: rank)
        }

        static func number(_ title: String, _ rank: Int) -> Column {
            Column(title: title, isNumber: true, rank: rank)
        }
    }

    private static let gap = 2
    private static let narrowest = 4

    let columns: [Column]
    var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// The heading and the rows, none of them longer than `width`.
    func lines(width: Int) -> [String] {
        let cells = [columns.map(\.title)] + rows
        var widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        var shown = Array(columns.indices)
        func total() -> Int {
            shown.reduce(0) { $0 + widths[$1] } + Self.gap * max(0, shown.count - 1)
        }
        while total() > width, shown.count > 1,
            let last = shown.max(by: { columns[$0].rank < columns[$1].rank })
        {
            // A long text is cut before a column is given up for it.
            if cut(&widths, shown, by: total() - width) { continue }
            shown.removeAll { $0 == last }
        }
        return cells.map { row in
            let text = shown.map { column in
                padded(row[column].cut(to: widths[column]), to: widths[column], column)
            }.joined(separator: String(repeating: " ", count: Self.gap))
            return text.cut(to: width).trimmingEnd
        }
    }

    /// Takes what is too much from the widest column of text, if that leaves half of it.
    private func cut(_ widths: inout [Int], _ shown: [Int], by excess: Int) -> Bool {
        let texts = shown.filter { !columns[$0].isNumber }
        guard let widest = texts.max(by: { widths[$0] < widths[$1] }) else { return false }
        let rest = widths[widest] - excess
        guard rest >= max(Self.narrowest, columns[widest].title.count, widths[widest] / 2) else {
            return false
        }
        widths[widest] = rest
        return true
    }

    private func padded(_ text: String, to width: Int, _ column: Int) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.count))
        return columns[column].isNumber ? blanks + text : text + blanks
    }
}

extension String {
    /// At most `count` characters, with a mark where some are missing.
    func cut(to count: Int) -> String {
        guard self.count > count else { return self }
        return count > 1 ? prefix(count - 1) + "…" : String(prefix(max(0, count)))
    }

    /// Without blanks at its end.
    var trimmingEnd: String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }

    /// What a terminal shows as it is: ASCII without controls, a question mark for the rest.
    var printable: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { (0x20...0x7E).contains($0.value) ? $0 : "?" }))
    }
}
