// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The terminal while something is drawn on it: another screen, no cursor, keys as they are pressed.
final class TerminalScreen {
    private var saved = termios()
    private var isEntered = false

    deinit { leave() }

    /// Whether there is a terminal to draw on and to read keys from.
    static var isThere: Bool { isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1 }

    static var size: TopFrame.Size {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
        else { return TopFrame.Size(columns: 80, rows: 24) }
        return TopFrame.Size(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    func enter() {
        guard !isEntered, tcgetattr(STDIN_FILENO, &saved) == 0 else { return }
        isEntered = true
        var raw = saved
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J")
    }

    /// Gives the terminal back as it was; may be called at any time.
    func leave() {
        guard isEntered else { return }
        isEntered = false
        write("\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l")
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved)
    }

    /// Draws over what was there, in one piece so that nothing flickers.
    func draw(_ lines: [TopFrame.Line]) {
        var text = "\u{1B}[H"
        for (index, line) in lines.enumerated() {
            if index > 0 { text += "\r\n" }
            text += line.isHeading ? "\u{1B}[1m\(line.text)\u{1B}[0m" : line.text
            text += "\u{1B}[K"
        }
        write(text + "\u{1B}[J")
    }

    private func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}

/// Signals as bytes of a pipe, so that they are waited for together with keys.
struct SignalPipe {
    /// What the handler writes to; it may use nothing that is made on demand.
    nonisolated(unsafe) private static var writeEnd: Int32 = -1

    let readEnd: Int32

    /// Catches `signals` for the rest of the process.
    init(_ signals: [Int32]) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw fail("cannot make a pipe") }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        readEnd = ends[0]
        Self.writeEnd = ends[1]
        for signal in signals {
            Foundation.signal(signal) { number in
                let code = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = Foundation.write(SignalPipe.writeEnd, &byte, 1)
                errno = code
            }
        }
    }

    /// The next signal that has come.
    func next() -> Int32? {
        var byte: UInt8 = 0
        return read(readEnd, &byte, 1) == 1 ? Int32(byte) : nil
    }
}
