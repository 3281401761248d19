// SPDX-License-Identifier: Apache-2.0

/// Where something stands in a source file; lines and columns count from 1, columns in Unicode
/// scalars.
package struct SourcePosition: Hashable, Sendable, Comparable {
    package var line: Int
    package var column: Int
    /// The column after the last character, where the text ends on the same line.
    package var endColumn: Int?

    package init(line: Int, column: Int, endColumn: Int? = nil) {
        self.line = line
        self.column = column
        self.endColumn = endColumn
    }

    package static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// A value and where the manifest says it.
///
/// Two located values are equal when their values are: moving a line is not a change of a manifest.
package struct Located<Value: Sendable & Equatable>: Sendable, Equatable {
    package var value: Value
    /// `nil` where the value is a default.
    package var position: SourcePosition?

    package init(_ value: Value, at position: SourcePosition? = nil) {
        self.value = value
        self.position = position
    }

    package static func == (left: Located, right: Located) -> Bool { left.value == right.value }
}
