package org.apache.toree;

import $line1.Cell;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.Permission;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import launcher.toree.BackgroundInterpreter;

/** Stands for Toree in tests: reads the profile, listens, and does what a line to its shell port says. */
public final class Main {
    private static volatile String kept = "nothing";

    public static void main(String[] args) throws Exception {
        System.out.println("stub arguments: " + String.join(" ", Arrays.copyOfRange(args, 2, args.length)));
        System.out.println("stub eager: " + System.getProperty("launcher.toree.eager"));
        Thread.sleep(Long.parseLong(System.getenv().getOrDefault("STUB_DELAY", "0")));
        byte[] profile = Files.readAllBytes(Paths.get(args[1]));
        String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(Paths.get(args[1])));
        System.out.println("stub profile: " + mode);
        String deaf = System.getenv().getOrDefault("STUB_DEAF", "none");
        Matcher port = Pattern.compile("\"(\\w+)_port\": (\\d+)")
                .matcher(new String(profile, StandardCharsets.UTF_8));
        while (port.find()) {
            if (!port.group(1).equals(deaf)) {
                ServerSocket server = new ServerSocket(Integer.parseInt(port.group(2)));
                new Thread(() -> serve(server)).start();
            }
        }
        System.setSecurityManager(new SecurityManager() {
            @Override
            public void checkPermission(Permission permission) {}
        });
        Thread.sleep(Long.MAX_VALUE);
    }

    private static void serve(ServerSocket server) {
        while (true) {
            try (Socket client = server.accept()) {
                String line = new BufferedReader(new InputStreamReader(client.getInputStream())).readLine();
                if (line != null) {
                    obey(line);
                }
            } catch (IOException error) {
                return;
            }
        }
    }

    private static void obey(String line) {
        String[] words = line.split(" ");
        switch (words[0]) {
            case "exit":
                new Thread(() -> System.exit(Integer.parseInt(words[1]))).start();
                break;
            case "keep":
                kept = words[1];
                break;
            case "ready":
                BackgroundInterpreter.ready = Boolean.parseBoolean(words[1]);
                System.out.println(line + ": done");
                break;
            case "kept":
                System.out.println("kept: " + kept);
                break;
            case "pid":
                System.out.println("pid: " + ProcessHandle.current().pid());
                break;
            case "variable":
                System.out.println(line + ": " + System.getenv().getOrDefault(words[1], ""));
                break;
            case "hang":
                Runtime.getRuntime().addShutdownHook(new Thread(Cell::spin));
                break;
            case "child":
                try {
                    new ProcessBuilder("sleep", "600").start();
                } catch (IOException error) {
                    System.out.println(error);
                }
                break;
            default:
                new Thread(() -> work(line), "task-manager-0").start();
        }
    }

    private static void work(String line) {
        try {
            if (line.equals("sleep")) {
                Cell.sleep();
            } else if (line.equals("outside")) {
                System.out.println("begun: outside");
                Thread.sleep(1500); // a thread that runs no cell
            } else {
                Cell.spin();
            }
            System.out.println("ended: " + line);
        } catch (Throwable error) {
            System.out.println("ended: " + line + " by " + error.getClass().getSimpleName());
        }
    }
}
