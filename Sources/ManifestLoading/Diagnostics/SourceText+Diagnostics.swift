// SPDX-License-Identifier: Apache-2.0

extension SourceText {
    /// The diagnostics in the order of the file, with their lines, and not more than `limit`.
    func finished(_ diagnostics: [Diagnostic], limit: Int) -> [Diagnostic] {
        let start = SourcePosition(line: 0, column: 0)
        let sorted = diagnostics.enumerated().sorted { left, right in
            let positions = (left.element.position ?? start, right.element.position ?? start)
            return positions.0 == positions.1
                ? left.offset < right.offset : positions.0 < positions.1
        }
        var result = sorted.prefix(limit).map { _, diagnostic in
            var diagnostic = diagnostic
            diagnostic.sourceLine = diagnostic.position.flatMap { line($0.line) }
            return diagnostic
        }
        if sorted.count > result.count {
            result.append(Diagnostic("there are more faults, which are not shown", in: file))
        }
        return result
    }
}
