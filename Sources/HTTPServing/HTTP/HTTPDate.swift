// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The `Date` of responses (RFC 9110 §5.6.7), written once a second.
nonisolated struct HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var second = Int.min
    private var cached = ""

    /// The date of now.
    mutating func text() -> String {
        let now = time(nil)
        if now != second {
            second = now
            cached = Self.text(secondsSince1970: now)
        }
        return cached
    }

    static func text(secondsSince1970: Int) -> String {
        var seconds = time_t(secondsSince1970)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else {
            return "Thu, 01 Jan 1970 00:00:00 GMT"
        }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        let month = months[Int(parts.tm_mon)]
        return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(month) "
            + "\(1900 + Int(parts.tm_year)) \(clock) GMT"
    }
}
