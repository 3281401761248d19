// SPDX-License-Identifier: Apache-2.0

/// Why a workload cannot be had: what is wrong, and where in which file or text.
package struct WorkloadError: Error, Sendable, Equatable, CustomStringConvertible {
    package let message: String

    /// The trace file, where the fault is in one.
    package let file: String?

    /// The line in the file, from 1.
    package let line: Int?

    package init(_ message: String, file: String? = nil, line: Int? = nil) {
        self.message = message
        self.file = file
        self.line = line
    }

    /// `file:line: message`, as far as there are file and line.
    package var description: String {
        guard let file else { return message }
        return line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)"
    }
}
