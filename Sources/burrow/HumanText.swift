// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Numbers as people read them.
enum HumanText {
    /// `12 us`, `3.4 ms`, `5.6 s`, `3m 12s`, `2h 05m`, `4d 03h`.
    static func duration(_ seconds: Double) -> String {
        let size = abs(seconds)
        if size == 0 { return "0 s" }
        if size < 1e-6 { return "\(digits(seconds * 1e9)) ns" }
        if size < 1e-3 { return "\(digits(seconds * 1e6)) us" }
        if size < 1 { return "\(digits(seconds * 1e3)) ms" }
        if size < 60 { return "\(digits(seconds)) s" }
        let whole = Int(min(size, 1e12))
        if size < 3600 { return String(format: "%dm %02ds", whole / 60, whole % 60) }
        if size < 86_400 { return String(format: "%dh %02dm", whole / 3600, whole / 60 % 60) }
        return String(format: "%dd %02dh", whole / 86_400, whole / 3600 % 24)
    }

    /// `512 B`, `3.4 KiB`, `5.6 MiB`.
    static func bytes(_ count: Int) -> String {
        var size = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if abs(size) < 1024 { return "\(unit == "B" ? String(count) : digits(size)) \(unit)" }
            size /= 1024
        }
        return "\(digits(size)) TiB"
    }

    /// `950`, `1.2k`, `3.4M`, `5.6G`.
    static func count(_ number: Int) -> String {
        var size = Double(number)
        if abs(size) < 1000 { return String(number) }
        for unit in ["k", "M", "G"] {
            size /= 1000
            if abs(size) < 1000 || unit == "G" { return digits(size) + unit }
        }
        return String(number)
    }

    /// Three significant digits and no more.
    static func digits(_ number: Double) -> String {
        let size = abs(number)
        if size >= 99.95 || number == number.rounded() { return String(format: "%.0f", number) }
        return String(format: size >= 9.995 ? "%.1f" : "%.2f", number)
    }

    /// A noun with its number: `1 step`, `2 steps`.
    static func counted(_ number: Int, _ noun: String) -> String {
        "\(count(number)) \(noun)\(number == 1 ? "" : "s")"
    }

    /// Words in lines of at most `width`; those after the first begin below the text of the first.
    static func wrapped(_ label: String, _ words: [String], width: Int) -> String {
        var lines: [String] = []
        var line = label
        let indent = String(repeating: " ", count: label.count)
        for word in words {
            if line.count + 1 + word.count > width, line.count > indent.count {
                lines.append(line)
                line = indent
            }
            line += (line.count > indent.count ? " " : "") + word
        }
        return (lines + [line]).joined(separator: "\n")
    }

    /// The columns of the terminal, or 80 where the output goes elsewhere.
    static var terminalWidth: Int {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0,
            size.ws_col > 0
        else { return 80 }
        return max(40, Int(size.ws_col))
    }
}
