// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import LoopIO
import Testing

@testable import Hosting

@MainActor
@Suite struct ServiceNotifierTests {
    /// A socket as a service manager has one.
    private final class Manager {
        let path: String
        private let descriptor: Int32

        init(in folder: TestFolder) throws {
            path = "\(folder.path)/notify"
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(status == 0)
        }

        deinit { close(descriptor) }

        func next() -> String? {
            var room = [UInt8](repeating: 0, count: 256)
            let count = recv(descriptor, &room, room.count, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : String(decoding: room[..<count], as: UTF8.self)
        }
    }

    private func notifier(_ environment: [String: String]) -> ServiceNotifier {
        ServiceNotifier(
            environment: environment, processIdentifier: 42, log: Logger(label: "test"))
    }

    @Test func managerIsToldOfTheWholeLife() throws {
        let folder = try TestFolder()
        let manager = try Manager(in: folder)
        let loop = try EventLoop(servesMainQueue: false)
        let notifier = notifier(["NOTIFY_SOCKET": manager.path])
        notifier.ready(on: loop)
        #expect(manager.next() == "READY=1")
        notifier.reloading()
        let reloading = try #require(manager.next())
        let time = reloading.wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=([0-9]+)/)?.1
        #expect((time.flatMap { UInt64($0) } ?? 0) > 0, "\(reloading)")
        notifier.reloaded()
        #expect(manager.next() == "READY=1")
        notifier.stopping()
        #expect(manager.next() == "STOPPING=1")
        #expect(manager.next() == nil)
        notifier.close()
        try loop.close()
    }

    @Test func watchdogIsFedWhileTheLoopTurns() throws {
        let folder = try TestFolder()
        let manager = try Manager(in: folder)
        let loop = try EventLoop(servesMainQueue: false)
        let notifier = notifier([
            "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "4000", "WATCHDOG_PID": "42",
        ])
        notifier.ready(on: loop)
        #expect(manager.next() == "READY=1")
        for _ in 0..<3 {
            var message: String?
            while message == nil {
                loop.runTurn()
                message = manager.next()
            }
            #expect(message == "WATCHDOG=1")
        }
        notifier.close()
        try loop.close()
    }

    @Test(
        arguments: [
            (["WATCHDOG_USEC": "2000000"], .seconds(1)),
            (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "42"], .seconds(1)),
            (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "43"], nil),
            (["WATCHDOG_USEC": "0"], nil), (["WATCHDOG_USEC": "often"], nil),
            (["WATCHDOG_USEC": "99999999999999999999"], nil), ([:], nil),
        ] as [([String: String], Duration?)])
    func watchdogIsSetByTheEnvironment(_ environment: [String: String], _ interval: Duration?) {
        let all = environment.merging(["NOTIFY_SOCKET": "/tmp/x"]) { $1 }
        #expect(notifier(all).watchdogInterval == interval)
        #expect(notifier(environment).watchdogInterval == nil, "nobody is there to be told")
    }
}
