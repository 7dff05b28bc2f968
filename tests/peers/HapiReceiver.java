import ca.uhn.hl7v2.AcknowledgmentCode;
import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.ErrorCode;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.app.HL7Service;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.model.v251.message.SIU_S12;
import ca.uhn.hl7v2.model.v251.segment.AIL;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import ca.uhn.hl7v2.util.Terser;
import ca.uhn.hl7v2.util.idgenerator.InMemoryIDGenerator;
import java.io.IOException;
import java.util.Map;

/**
 * A hospital's engine made of HAPI, with its default validation: takes SIU over MLLP, prints what it understood, and
 * answers by the case's id in SCH-2: AE with a text if it begins with REFUSED, AR if it begins with REJECTED, else AA.
 * Prints `ready`, then a line for each message: `MSH-10 trigger SCH-2 structure room start`, or `fault CLASS` where the
 * message is none of HAPI's SIU_S12 of 2.5.1. Usage: java -cp ... HapiReceiver.java PORT
 */
public class HapiReceiver {
  public static void main(String[] arguments) throws Exception {
    DefaultHapiContext context = new DefaultHapiContext();
    context.getParserConfiguration().setIdGenerator(new InMemoryIDGenerator()); // else it keeps a file here
    HL7Service server = context.newServer(Integer.parseInt(arguments[0]), false);
    server.registerApplication(new ReceivingApplication<Message>() {
      @Override
      public Message processMessage(Message message, Map<String, Object> metadata) throws HL7Exception {
        try {
          Terser said = new Terser(message);
          String id = said.get("/.SCH-2-1");
          say(said.get("/MSH-10") + " " + said.get("/MSH-9-2") + " " + id + " " + understood(message));
          if (id.startsWith("REFUSED")) {
            return message.generateACK(
                AcknowledgmentCode.AE, new HL7Exception("The desk does not agree", ErrorCode.APPLICATION_INTERNAL_ERROR));
          }
          if (id.startsWith("REJECTED")) {
            return message.generateACK(
                AcknowledgmentCode.AR, new HL7Exception("Not an event of ours", ErrorCode.UNSUPPORTED_EVENT_CODE));
          }
          return message.generateACK();
        } catch (IOException e) {
          throw new HL7Exception(e);
        }
      }

      @Override
      public boolean canProcess(Message message) {
        return true;
      }
    });
    server.setExceptionHandler((incoming, metadata, outgoing, fault) -> {
      say("fault " + fault.getClass().getSimpleName() + " " + fault.getMessage());
      return outgoing;
    });
    server.startAndWait();
    say("ready");
    Thread.currentThread().join();
  }

  private static String understood(Message message) throws HL7Exception {
    if (!(message instanceof SIU_S12)) {
      return message.getClass().getSimpleName() + " ? ?";
    }
    AIL location = ((SIU_S12) message).getRESOURCES().getLOCATION_RESOURCE().getAIL();
    return "SIU_S12 " + location.getLocationResourceID(0).getPointOfCare().getValue() + " "
        + location.getStartDateTime().getTime().getValue();
  }

  private static void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
