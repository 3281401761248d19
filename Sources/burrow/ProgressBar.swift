// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How much of something is done, drawn on standard error while that is a terminal.
///
/// What ends within a second draws nothing.
struct ProgressBar {
    private let title: String
    private let isOnTerminal = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private var drawn: String?

    init(_ title: String) {
        self.title = title
    }

    /// Shows `fraction`, from 0 to 1; at 1 the line is wiped.
    mutating func show(_ fraction: Double) {
        guard isOnTerminal, ContinuousClock.now - start > .seconds(1) else { return }
        let line = fraction < 1 ? text(fraction) : ""
        guard line != drawn else { return }
        drawn = line
        FileHandle.standardError.write(Data("\r\u{1B}[2K\(line)".utf8))
    }

    private func text(_ fraction: Double) -> String {
        let width = 30
        let full = Int(fraction * Double(width))
        let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
        return "\(title) \(bar) \(Int(fraction * 100)) %"
    }
}
