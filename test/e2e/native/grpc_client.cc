// The oracle of the iSulad door: a client on the same gRPC library as the stock `isula events`, which checks that the
// stream has no gap, repeat or reordering.
//
//   grpc_client unix:///path/sock [--since SEC.NANOS] [--until SEC.NANOS] [--id NAME] [--key seq] [--last N] [--print]
//
// Writes `attached` to stderr when the server has accepted the stream (a server that refuses with a status alone looks the
// same to the library: then the process ends right after). Prints one JSON line at exit:
//   {"count":..,"first":..,"last":..,"bad":..,"other":..,"status":..,"message":".."[,"stopped":true]}
// `count` events carried the annotation KEY with an integer at its beginning, `bad` of them were not their predecessor plus one, `other` had
// no such annotation. SIGTERM and SIGINT cancel the call, so the line is printed then too.
// Exit: 0 status OK or stopped by --last; 1 any other status; 2 usage.

#include <charconv>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "container.grpc.pb.h"

namespace {

// How long Finish() may take after the last event. See end_of_call().
constexpr std::chrono::seconds kFinishLimit{5};

struct Options {
  std::string target;
  std::string key = "seq";
  std::optional<int64_t> last;
  bool print = false;
  containers::EventsRequest request;
};

struct Tally {
  uint64_t count = 0, bad = 0, other = 0;
  std::optional<int64_t> first, previous;
};

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr,
               "grpc_client: %s\nusage: grpc_client unix:///path/sock [--since SEC.NANOS] [--until SEC.NANOS] "
               "[--id NAME] [--key seq] [--last N] [--print]\n",
               why.c_str());
  std::exit(2);
}

// An integer alone, or with a blank and more behind it.
bool parse_integer(std::string_view text, int64_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && (end == text.data() + text.size() || *end == ' ');
}

// SEC, or SEC.FRACTION with up to nine digits, read as a decimal fraction. A zero time is sent as an empty message.
void parse_time(std::string_view text, google::protobuf::Timestamp* time) {
  size_t dot = text.find('.');
  int64_t seconds = 0, nanos = 0;
  std::string fraction(dot == text.npos ? "" : text.substr(dot + 1));
  bool good = parse_integer(text.substr(0, dot), &seconds) && fraction.size() <= 9;
  if (good && dot != text.npos) {
    fraction.resize(9, '0');
    good = fraction[0] != '-' && parse_integer(fraction, &nanos);
  }
  if (!good) usage("expected SEC.NANOS, got '" + std::string(text) + "'");
  time->set_seconds(seconds);
  time->set_nanos(static_cast<int32_t>(nanos));
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    std::string name = argv[i];
    auto value = [&]() -> std::string {
      if (i + 1 == argc) usage(name + " needs a value");
      return argv[++i];
    };
    if (name == "--since") parse_time(value(), options.request.mutable_since());
    else if (name == "--until") parse_time(value(), options.request.mutable_until());
    else if (name == "--id") options.request.set_id(value());
    else if (name == "--key") options.key = value();
    else if (name == "--print") options.print = true;
    else if (name == "--last") {
      int64_t last;
      std::string text = value();
      if (!parse_integer(text, &last)) usage("--last: expected a number, got '" + text + "'");
      options.last = last;
    } else if (name.rfind("--", 0) == 0) usage("unknown option " + name);
    else if (options.target.empty()) options.target = name;
    else usage("one target only");
  }
  if (options.target.empty()) usage("no target");
  return options;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out += '"';
}

void print_event(const containers::Event& event) {
  char time[48];
  std::snprintf(time, sizeof time, "%lld.%09d", static_cast<long long>(event.timestamp().seconds()),
                event.timestamp().nanos());
  std::string line = "{\"time\":\"" + std::string(time) + "\",\"opt\":" + quoted(event.opt()) +
                     ",\"id\":" + quoted(event.id()) + ",\"annotations\":{";
  // A protobuf map has no order; sorted lines can be compared.
  std::map<std::string_view, std::string_view> sorted(event.annotations().begin(), event.annotations().end());
  bool comma = false;
  for (const auto& [key, value] : sorted) {
    if (comma) line += ',';
    comma = true;
    line += quoted(key) + ":" + quoted(value);
  }
  line += "}}\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

void count_event(const containers::Event& event, const std::string& key, Tally* tally) {
  auto found = event.annotations().find(key);
  int64_t value;
  if (found == event.annotations().end() || !parse_integer(found->second, &value)) {
    tally->other++;
    return;
  }
  tally->count++;
  if (!tally->first) tally->first = value;
  else if (value != *tally->previous + 1) tally->bad++;
  tally->previous = value;
}

// Finish() with a limit: after an event that protobuf cannot parse (invalid UTF-8) Read() returns false while the stream
// goes on, and Finish() alone would then wait for ever, as the stock client does.
grpc::Status end_of_call(grpc::ClientReader<containers::Event>* reader, grpc::ClientContext* context) {
  std::mutex mutex;
  std::condition_variable changed;
  bool finished = false, cancelled = false;
  std::thread watchdog([&] {
    std::unique_lock lock(mutex);
    cancelled = !changed.wait_for(lock, kFinishLimit, [&] { return finished; });
    if (cancelled) context->TryCancel();
  });
  grpc::Status status = reader->Finish();
  {
    std::lock_guard lock(mutex);
    finished = true;
  }
  changed.notify_one();
  watchdog.join();
  if (!cancelled) return status;
  return {grpc::StatusCode::INTERNAL, "unreadable event: the stream went on for 5 s after the last event that parsed"};
}

std::string json_or_null(const std::optional<int64_t>& value) { return value ? std::to_string(*value) : "null"; }

}  // namespace

int main(int argc, char** argv) {
  Options options = parse_options(argc, argv);

  // Blocked before gRPC starts its threads, so that they inherit the mask and only the waiter below gets the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  grpc::ChannelArguments arguments;
  // What the stock client sends; the default for a unix socket would be the escaped path.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  auto channel = grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments);
  auto stub = containers::ContainerService::NewStub(channel);

  grpc::ClientContext context;
  std::thread([&] {
    int signal_number;
    sigwait(&signals, &signal_number);
    context.TryCancel();
  }).detach();

  auto reader = stub->Events(&context, options.request);
  reader->WaitForInitialMetadata();
  if (channel->GetState(false) == GRPC_CHANNEL_READY) {
    std::fputs("attached\n", stderr);
    std::fflush(stderr);
  }

  Tally tally;
  bool stopped = false;
  containers::Event event;  // reused: its strings keep their capacity
  while (reader->Read(&event)) {
    if (stopped) continue;
    count_event(event, options.key, &tally);
    if (options.print) print_event(event);
    if (options.last && tally.previous == options.last) {
      stopped = true;
      context.TryCancel();
    }
  }
  grpc::Status status = end_of_call(reader.get(), &context);
  if (stopped) status = grpc::Status::OK;

  std::printf("{\"count\":%llu,\"first\":%s,\"last\":%s,\"bad\":%llu,\"other\":%llu,\"status\":%d,\"message\":%s%s}\n",
              static_cast<unsigned long long>(tally.count), json_or_null(tally.first).c_str(),
              json_or_null(tally.previous).c_str(), static_cast<unsigned long long>(tally.bad),
              static_cast<unsigned long long>(tally.other), static_cast<int>(status.error_code()),
              quoted(status.error_message()).c_str(), stopped ? ",\"stopped\":true" : "");
  std::fflush(stdout);
  // Without running destructors: the signal waiter still refers to main's locals.
  std::_Exit(status.ok() ? 0 : 1);
}
